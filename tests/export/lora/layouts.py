"""LoRA files (rank 4, random) in every layout that trainers and converters write, each with the weights that
are right: W + alpha / rank · up · down, by that formula, from the same factors."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.export.lora.bases import Base

RANK = 4
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
LINEAR = (*ATTENTION, "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2")
CONVOLUTION = (
    *("conv1", "conv2", "conv_shortcut", "time_emb_proj", "downsamplers.0.conv", "upsamplers.0.conv"),
    *("conv_in", "conv_out", "time_embedding.linear_1", "add_embedding.linear_2"),
)
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj")
TEXT = (*PROJECTIONS, "fc1", "fc2")
AB, DOWN_UP = (".lora_A.weight", ".lora_B.weight"), (".lora_down.weight", ".lora_up.weight")
OWN = ("unet.", "text_encoder.", "text_encoder_2.")
COMFY = ("diffusion_model.", "text_encoders.clip_l.transformer.", "text_encoders.clip_g.transformer.")
Tensors = dict[str, torch.Tensor]


@dataclass
class LoraDraft:
    """What goes into a file, and what is right."""

    base: Base
    tensors: Tensors = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    beside: dict[str, Any] | None = None  # adapter_config.json
    wanted: Tensors = field(default_factory=dict)  # weights that change
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(11))

    def random(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=self.generator) * 0.15

    def layers(self, part: str, ends: tuple[str, ...]) -> Iterator[tuple[str, torch.Tensor]]:
        wanted = tuple(f".{end}.weight" for end in ends)
        for name, weight in self.base.weights.items():
            if name.startswith(f"{part}.") and name.endswith(wanted) and weight.ndim > 1:
                yield name.removeprefix(f"{part}.").removesuffix(".weight"), weight

    def parts(self, text: bool) -> list[str]:
        return ["unet", *(self.base.text_encoders if text else [])]

    def pair(self, part: str, path: str, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
        """Random factors, and what the weight becomes with them."""
        weight = self.base.weights[f"{part}.{path}.weight"]
        out, *inner = weight.shape
        down, up = self.random(RANK, *inner), self.random(out, RANK, *(1 for _ in inner[1:]))
        change = scale * (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)
        self.wanted[f"{part}.{path}.weight"] = weight + change
        return down, up

    def dora(self, part: str, path: str, magnitude: torch.Tensor) -> None:
        """`magnitude`: of each output."""
        name = f"{part}.{path}.weight"
        changed = self.wanted[name]
        ones = [1] * (changed.ndim - 1)
        norm = changed.flatten(1).norm(dim=1).reshape(-1, *ones)
        self.wanted[name] = magnitude.reshape(-1, *ones) * changed / norm

    def save(self, path: Path) -> Path:
        tensors = {key: value.contiguous() for key, value in self.tensors.items()}
        save_file(tensors, path, self.metadata or None)
        if self.beside is not None:
            path.with_name("adapter_config.json").write_text(json.dumps(self.beside))
        return path


def stability(draft: LoraDraft, path: str) -> str:
    return draft.base.stability_names[path]


Write = Callable[[LoraDraft], None]
LAYOUTS: dict[str, Write] = {}
WITNESSED: set[str] = set()
"""Those that diffusers' own loader reads."""


def layout(name: str, *, witnessed: bool = False) -> Callable[[Write], Write]:
    def note(write: Write) -> Write:
        LAYOUTS[name] = write
        if witnessed:
            WITNESSED.add(name)
        return write

    return note


def kohya_prefixes(base: Base) -> tuple[str, ...]:
    if len(base.text_encoders) == 1:
        return ("lora_unet_", "lora_te_")
    return ("lora_unet_", "lora_te1_", "lora_te2_")


def kohya(
    draft: LoraDraft, *, text: bool = True, alpha: torch.Tensor | None, ends: tuple[str, ...] = LINEAR
) -> None:
    scale = 1.0 if alpha is None else float(alpha) / RANK
    for part, prefix in zip(draft.parts(text), kohya_prefixes(draft.base), strict=False):
        for path, _ in draft.layers(part, ends if part == "unet" else TEXT):
            name = prefix + path.replace(".", "_")
            down, up = draft.pair(part, path, scale)
            draft.tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
            draft.tensors |= {} if alpha is None else {f"{name}.alpha": alpha.clone()}


def dotted(
    draft: LoraDraft,
    prefixes: tuple[str, ...],
    ends: tuple[str, str],
    *,
    layers: tuple[str, ...] = LINEAR,
    text: bool = True,
    scale: float = 1.0,
    alpha: float | None = None,
    rename: Callable[[LoraDraft, str, str], str] = lambda draft, part, path: path,
) -> None:
    for part, prefix in zip(draft.parts(text), prefixes, strict=False):
        for path, _ in draft.layers(part, layers if part == "unet" else TEXT):
            name = prefix + rename(draft, part, path)
            down, up = draft.pair(part, path, scale if alpha is None else alpha / RANK)
            draft.tensors |= {name + ends[0]: down, name + ends[1]: up}
            draft.tensors |= {} if alpha is None else {f"{name}.alpha": torch.tensor(alpha)}


def in_stability(draft: LoraDraft, part: str, path: str) -> str:
    return stability(draft, path) if part == "unet" else path


@layout("kohya", witnessed=True)
def _(draft: LoraDraft) -> None:
    kohya(draft, alpha=torch.tensor(2.0))


@layout("kohya, alpha is an integer", witnessed=True)
def _(draft: LoraDraft) -> None:
    kohya(draft, alpha=torch.tensor(8))


@layout("kohya, alpha is a list of one", witnessed=True)
def _(draft: LoraDraft) -> None:
    kohya(draft, alpha=torch.tensor([2.0]).half())


@layout("kohya, alpha is zero")
def _(draft: LoraDraft) -> None:
    kohya(draft, alpha=torch.tensor(0.0))


@layout("kohya, no alpha", witnessed=True)
def _(draft: LoraDraft) -> None:
    kohya(draft, alpha=None)


@layout("kohya, convolutions")
def _(draft: LoraDraft) -> None:
    kohya(draft, alpha=torch.tensor(2.0), ends=LINEAR + CONVOLUTION, text=False)


@layout("kohya, Stability's names")
def _(draft: LoraDraft) -> None:
    for path, _ in draft.layers("unet", LINEAR + CONVOLUTION):
        name = "lora_unet_" + stability(draft, path).replace(".", "_")
        down, up = draft.pair("unet", path, 0.5)
        draft.tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
        draft.tensors[f"{name}.alpha"] = torch.tensor(2.0)


@layout("kohya, matrices for 1x1 convolutions")
def _(draft: LoraDraft) -> None:
    kohya(draft, alpha=torch.tensor(2.0))
    small = (value.ndim == 4 and value.shape[2:] == (1, 1) for value in draft.tensors.values())
    draft.tensors = {
        key: value.flatten(1) if one else value
        for one, (key, value) in zip(small, draft.tensors.items(), strict=True)
    }


@layout("kohya, text encoders without text_model")
def _(draft: LoraDraft) -> None:
    kohya(draft, alpha=torch.tensor(2.0))
    draft.tensors = {
        re.sub(r"(lora_te1?_)text_model_", r"\1", key): value for key, value in draft.tensors.items()
    }


@layout("SimpleTuner's LyCORIS prefix")
def _(draft: LoraDraft) -> None:
    kohya(draft, alpha=torch.tensor(2.0), text=False)
    draft.tensors = {key.replace("lora_unet_", "lycoris_"): value for key, value in draft.tensors.items()}


@layout("diffusers", witnessed=True)
def _(draft: LoraDraft) -> None:
    dotted(draft, OWN, AB)


@layout("diffusers, text encoders without text_model")
def _(draft: LoraDraft) -> None:
    dotted(draft, OWN, AB, rename=lambda _, part, path: path.removeprefix("text_model."))


@layout("diffusers, .alpha beside")
def _(draft: LoraDraft) -> None:
    dotted(draft, OWN, AB, alpha=2.0)


@layout("diffusers' training script, UNet", witnessed=True)
def _(draft: LoraDraft) -> None:
    dotted(draft, OWN, (".lora.down.weight", ".lora.up.weight"), layers=ATTENTION, text=False)


def lora_config(**more: Any) -> dict[str, Any]:
    return {
        "r": RANK,
        "lora_alpha": 2 * RANK,
        "peft_type": "LORA",
        "lora_bias": False,
        "use_dora": False,
        "rank_pattern": {},
        "alpha_pattern": {},
        **more,
    }


def told(draft: LoraDraft, parts: list[str], options: dict[str, Any]) -> None:
    settings = {f"{part}.{key}": value for part in parts for key, value in options.items()}
    draft.metadata = {"format": "pt", "lora_adapter_metadata": json.dumps(settings)}


@layout("diffusers' training script, alpha in metadata", witnessed=True)
def _(draft: LoraDraft) -> None:
    dotted(draft, OWN, (".lora.down.weight", ".lora.up.weight"), layers=ATTENTION, scale=2.0, text=False)
    told(draft, ["unet"], lora_config(use_rslora=False, target_modules=list(ATTENTION)))


@layout("diffusers, rsLoRA and alphas by pattern in metadata", witnessed=True)
def _(draft: LoraDraft) -> None:
    for path, _ in draft.layers("unet", ATTENTION):
        alpha = 2.0 if path.endswith("to_k") else 2.0 * RANK
        down, up = draft.pair("unet", path, alpha / RANK**0.5)
        draft.tensors |= {f"unet.{path}.lora_A.weight": down, f"unet.{path}.lora_B.weight": up}
    told(
        draft,
        ["unet"],
        lora_config(use_rslora=True, alpha_pattern={"to_k": 2.0}, target_modules=list(ATTENTION)),
    )


@layout("diffusers, a network's own save_lora_adapter")
def _(draft: LoraDraft) -> None:
    dotted(draft, ("",), AB, text=False, scale=2.0)
    draft.metadata = {"lora_adapter_metadata": json.dumps(lora_config())}


@layout("diffusers' training script, text encoders", witnessed=True)
def _(draft: LoraDraft) -> None:
    dotted(draft, OWN, (".lora.down.weight", ".lora.up.weight"), layers=ATTENTION, text=False)
    for part in draft.base.text_encoders:
        for path, _ in draft.layers(part, TEXT):
            down, up = draft.pair(part, path)
            name = f"{part}.{path}.lora_linear_layer"
            draft.tensors |= {f"{name}.down.weight": down, f"{name}.up.weight": up}


def processors(draft: LoraDraft, prefix: str) -> None:
    for path, _ in draft.layers("unet", ATTENTION):
        block, _, last = path.removesuffix(".0").rpartition(".")
        down, up = draft.pair("unet", path)
        name = f"{prefix}{block}.processor.{last}_lora"
        draft.tensors |= {f"{name}.down.weight": down, f"{name}.up.weight": up}


@layout("diffusers of 2023, attention processors", witnessed=True)
def _(draft: LoraDraft) -> None:
    processors(draft, "unet.")


@layout("diffusers of 2023, without prefix")
def _(draft: LoraDraft) -> None:
    processors(draft, "")


@layout("diffusers of 2023, alphas of its conversion")
def _(draft: LoraDraft) -> None:
    for path, _ in draft.layers("unet", ATTENTION):
        block, _, last = path.removesuffix(".0").rpartition(".")
        down, up = draft.pair("unet", path, 0.5)
        name = f"unet.{block}.processor.{last}_lora"
        draft.tensors |= {f"{name}.down.weight": down, f"{name}.up.weight": up}
        draft.tensors[f"{name}.down.weight.alpha"] = torch.tensor(2.0)


@layout("diffusers of 2023, text encoders", witnessed=True)
def _(draft: LoraDraft) -> None:
    processors(draft, "unet.")
    for part in draft.base.text_encoders:
        for path, _ in draft.layers(part, PROJECTIONS):
            block, _, last = path.rpartition(".")
            down, up = draft.pair(part, path)
            name = f"{part}.{block}.to_{last.removesuffix('_proj')}_lora"
            draft.tensors |= {f"{name}.down.weight": down, f"{name}.up.weight": up}


@layout("diffusers' LCM script, PEFT's names kept")
def _(draft: LoraDraft) -> None:
    dotted(draft, ("unet.base_model.model.",), AB, text=False)


@layout("diffusers' conversion to kohya, DoRA with both kinds of dots")
def _(draft: LoraDraft) -> None:
    for path, weight in draft.layers("unet", ATTENTION):
        down, up = draft.pair("unet", path)
        flat = "lora_unet_" + path.replace(".", "_")
        block, _, last = path.rpartition(".to_")
        magnitude = weight.flatten(1).norm(dim=1) * 1.1
        draft.dora("unet", path, magnitude)
        draft.tensors |= {f"{flat}.lora_down.weight": down, f"{flat}.lora_up.weight": up}
        draft.tensors[f"{flat}.alpha"] = torch.tensor(len(down))
        mixed = f"lora_unet_{block.replace('.', '_')}.to_{last}"
        draft.tensors[f"{mixed}.lora_magnitude_vector"] = magnitude


@layout("ComfyUI, Stability's names with dots")
def _(draft: LoraDraft) -> None:
    dotted(draft, COMFY, AB, alpha=2.0, rename=in_stability)


@layout("ComfyUI, extracted from two checkpoints")
def _(draft: LoraDraft) -> None:
    dotted(draft, COMFY, DOWN_UP, layers=LINEAR + CONVOLUTION, rename=in_stability)
    bias = draft.base.networks["unet"].conv_in.bias.detach()
    change = draft.random(*bias.shape)
    draft.tensors["diffusion_model.input_blocks.0.0.diff_b"] = change
    draft.wanted["unet.conv_in.bias"] = bias + change
    norm = draft.base.networks["unet"].conv_norm_out.weight.detach()
    change = draft.random(*norm.shape)
    draft.tensors["diffusion_model.out.0.diff"] = change
    draft.wanted["unet.conv_norm_out.weight"] = norm + change


@layout("a checkpoint's own names")
def _(draft: LoraDraft) -> None:
    dotted(draft, ("model.diffusion_model.",), DOWN_UP, alpha=2.0, rename=in_stability, text=False)


@layout("OneTrainer, its own names with dots")
def _(draft: LoraDraft) -> None:
    one = len(draft.base.text_encoders) == 1
    prefixes = ("lora_unet.", "lora_te.") if one else ("lora_unet.", "lora_te1.", "lora_te2.")
    dotted(draft, prefixes, DOWN_UP, alpha=2.0)


@layout("OneTrainer, OMI's names")
def _(draft: LoraDraft) -> None:
    dotted(draft, ("unet.", "clip_l.", "clip_g."), DOWN_UP, alpha=2.0, rename=in_stability)


@layout("OneTrainer, DoRA and an embedding")
def _(draft: LoraDraft) -> None:
    for path, weight in draft.layers("unet", LINEAR):
        down, up = draft.pair("unet", path, 0.5)
        name = "lora_unet_" + path.replace(".", "_")
        magnitude = weight.flatten(1).norm(dim=1) * 1.1
        draft.dora("unet", path, magnitude)
        shape = (-1, *[1] * (weight.ndim - 1))
        draft.tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
        draft.tensors |= {f"{name}.alpha": torch.tensor(2.0), f"{name}.dora_scale": magnitude.reshape(shape)}
    draft.tensors |= {
        "bundle_emb.nova.clip_l": draft.random(2, 32),
        "bundle_emb.nova.clip_g": draft.random(2, 64),
    }


def with_dora(key: str, as_row: bool = False) -> Write:
    """diffusers' keys, or kohya's where the magnitude's is one of theirs."""

    def write(draft: LoraDraft) -> None:
        for path, weight in draft.layers("unet", LINEAR):
            down, up = draft.pair("unet", path)
            magnitude = weight.flatten(1).norm(dim=1) * 1.1
            draft.dora("unet", path, magnitude)
            own = "lora_" in key
            name = f"unet.{path}" if own else "lora_unet_" + path.replace(".", "_")
            ends = AB if own else DOWN_UP
            draft.tensors |= {name + ends[0]: down, name + ends[1]: up}
            draft.tensors[name + key] = magnitude[None] if as_row else magnitude

    return write


MAGNITUDE = ".lora_magnitude_vector"
for key in (MAGNITUDE, f"{MAGNITUDE}.weight", f"{MAGNITUDE}.default.weight", ".dora_scale", ".magnitude"):
    layout(f"DoRA, {key} of outputs")(with_dora(key))
layout("DoRA, a row of outputs")(with_dora(MAGNITUDE, as_row=True))


@layout("DoRA, .dora_scale of inputs")
def _(draft: LoraDraft) -> None:
    for path, weight in draft.layers("unet", ATTENTION):
        down, up = draft.pair("unet", path)
        changed = draft.wanted[f"unet.{path}.weight"]
        magnitude = weight.norm(dim=0, keepdim=True) * 1.1
        draft.wanted[f"unet.{path}.weight"] = magnitude * changed / changed.norm(dim=0, keepdim=True)
        name = "lora_unet_" + path.replace(".", "_")
        draft.tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
        draft.tensors[f"{name}.dora_scale"] = magnitude


def peft(draft: LoraDraft, ends: tuple[str, str], scale: float, **more: Any) -> None:
    dotted(draft, ("base_model.model.",), ends, text=False, scale=scale)
    draft.beside = lora_config(**more)


@layout("PEFT")
def _(draft: LoraDraft) -> None:
    peft(draft, AB, 2.0)


@layout("PEFT, the adapter's name in the keys")
def _(draft: LoraDraft) -> None:
    peft(draft, (".lora_A.default.weight", ".lora_B.default.weight"), 2.0)


@layout("PEFT, rsLoRA")
def _(draft: LoraDraft) -> None:
    peft(draft, AB, 2 * RANK / RANK**0.5, use_rslora=True)


@layout("PEFT, ranks and alphas by pattern")
def _(draft: LoraDraft) -> None:
    for path, _ in draft.layers("unet", ATTENTION):
        down, up = draft.pair("unet", path, (1.0 if path.endswith("to_q") else 2.0))
        name = f"base_model.model.{path}"
        draft.tensors |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
    draft.beside = lora_config(
        r=16, alpha_pattern={"to_q": RANK}, rank_pattern={"to_q": RANK, "attn1.to_k": RANK}
    )


@layout("PEFT, .alpha instead of its file")
def _(draft: LoraDraft) -> None:
    dotted(draft, ("base_model.model.",), AB, text=False, alpha=2.0)


@layout("two dialects in one file")
def _(draft: LoraDraft) -> None:
    kohya(draft, alpha=torch.tensor(2.0), text=False)
    for part in draft.base.text_encoders:
        for path, _ in draft.layers(part, TEXT):
            down, up = draft.pair(part, path)
            draft.tensors |= {f"{part}.{path}{AB[0]}": down, f"{part}.{path}{AB[1]}": up}


@layout("some layers in kohya's words, some in diffusers'")
def _(draft: LoraDraft) -> None:
    for number, (path, _) in enumerate(draft.layers("unet", LINEAR)):
        down, up = draft.pair("unet", path)
        name = f"unet.{path}" if number % 2 else "lora_unet_" + path.replace(".", "_")
        ends = AB if number % 2 else DOWN_UP
        draft.tensors |= {name + ends[0]: down, name + ends[1]: up}


@layout("LoCon with a middle matrix")
def _(draft: LoraDraft) -> None:
    for path, weight in draft.layers("unet", ("conv1", "conv2")):
        out, inner, *size = weight.shape
        up, down, mid = draft.random(out, RANK), draft.random(RANK, inner), draft.random(RANK, RANK, *size)
        change = torch.einsum("or,rskl,si->oikl", up, mid, down)
        draft.wanted[f"unet.{path}.weight"] = weight + 0.5 * change
        name = "lora_unet_" + path.replace(".", "_")
        draft.tensors |= {
            f"{name}.lora_up.weight": up[:, :, None, None],
            f"{name}.lora_down.weight": down[:, :, None, None],
            f"{name}.lora_mid.weight": mid,
            f"{name}.alpha": torch.tensor(2.0),
        }


@layout("LoHa")
def _(draft: LoraDraft) -> None:
    for path, weight in draft.layers("unet", ATTENTION):
        out, inner = weight.shape
        sides = [(draft.random(out, RANK), draft.random(RANK, inner)) for _ in range(2)]
        change = (sides[0][0] @ sides[0][1]) * (sides[1][0] @ sides[1][1])
        draft.wanted[f"unet.{path}.weight"] = weight + 0.5 * change
        name = "lora_unet_" + path.replace(".", "_")
        for number, (a, b) in enumerate(sides, 1):
            draft.tensors |= {f"{name}.hada_w{number}_a": a, f"{name}.hada_w{number}_b": b}
        draft.tensors[f"{name}.alpha"] = torch.tensor(2.0)


@layout("LoKr")
def _(draft: LoraDraft) -> None:
    for path, weight in draft.layers("unet", ATTENTION):
        out, inner = weight.shape
        first = draft.random(2, 2)
        a, b = draft.random(out // 2, 2), draft.random(2, inner // 2)
        draft.wanted[f"unet.{path}.weight"] = weight + 0.5 * torch.kron(first, a @ b)
        name = "lora_unet_" + path.replace(".", "_")
        draft.tensors |= {f"{name}.lokr_w1": first, f"{name}.lokr_w2_a": a, f"{name}.lokr_w2_b": b}
        draft.tensors[f"{name}.alpha"] = torch.tensor(1.0)


def stored_as(kind: torch.dtype) -> Write:
    """The factors are rounded first, so that the formula has those of the file."""

    def write(draft: LoraDraft) -> None:
        for path, weight in draft.layers("unet", LINEAR):
            out, *inner = weight.shape
            down = draft.random(RANK, *inner).to(kind)
            up = draft.random(out, RANK, *(1 for _ in inner[1:])).to(kind)
            change = up.float().flatten(1) @ down.float().flatten(1)
            draft.wanted[f"unet.{path}.weight"] = weight + 0.5 * change.reshape(weight.shape)
            name = "lora_unet_" + path.replace(".", "_")
            draft.tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
            draft.tensors[f"{name}.alpha"] = torch.tensor(2.0, dtype=kind)

    return write


for kind in (torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2):
    layout(f"stored as {str(kind).removeprefix('torch.')}")(stored_as(kind))
