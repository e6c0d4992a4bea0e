"""torch's own way of applying a LoRA file to a checkpoint, which the merge is compared with.

Shares no code with the merge but the layers' names. Plain LoRA, and whatever PEFT wrote, PEFT itself runs. Of
the kinds that it does not read from kohya's files (LoHa, LoKr, a middle matrix, full differences, LyCORIS'
DoRA) its functions or torch make the change of each weight.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoHaConfig, LoKrConfig, LoraConfig, inject_adapter_in_model, set_peft_model_state_dict
from peft.tuners.loha import layer as loha
from peft.tuners.lokr import layer as lokr
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from export.checkpoints.checkpoint import Checkpoint
from export.errors import ExportError, first_line
from export.json_file import parse_json, read_json
from export.lora.peft_settings import ADAPTER_FILE
from export.lora.stability_names import sgm_names
from export.lora.strength import Strength
from export.lora.targets import UNET, Root, text_encoder_roots

PEFT_PREFIX = "base_model.model."
KINDS = {"lora_down.weight": "lora_A.weight", "lora_up.weight": "lora_B.weight"}
PLAIN = {*KINDS, "alpha"}
PEFT_CONFIGS = {"LORA": LoraConfig, "LOHA": LoHaConfig, "LOKR": LoKrConfig}
PEFT_OPTIONS = (
    *("r", "alpha", "lora_alpha", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern"),
    *("use_effective_conv2d", "decompose_both", "decompose_factor"),
)
TENSOR_SUFFIX = re.compile(r"\.(lora_[AB]|lora_magnitude_vector|hada_\w+|lokr_\w+)(\.weight)?$")
Tensors = Mapping[str, torch.Tensor]


def apply_lora(lora: Path, strength: Strength, checkpoint: Checkpoint) -> None:
    """Changes the checkpoint's networks. Raises ExportError if torch cannot take the file."""
    roots = (UNET, *text_encoder_roots(checkpoint.family.row))
    state = load_file(lora)
    try:
        for root in roots:
            name = root.graph.removesuffix(".")
            network = checkpoint.networks[name]
            if all(key.startswith(PEFT_PREFIX) for key in state):
                if name == "unet":
                    _inject_peft(lora, state, network)
            elif any(key.startswith(("lora_", "lycoris_")) for key in state):
                _apply_kohya(_by_module(state, root, network), network, name, strength)
            else:
                _inject_diffusers(lora, state, network, name)
            _scale(network, name, strength)
    except Exception as error:  # diffusers and PEFT raise many kinds
        raise ExportError(f"torch cannot take {lora.name}: {first_line(error)}") from None


def _scale(network: nn.Module, root: str, strength: Strength) -> None:
    """Of what PEFT runs. DoRA's norms depend on the scale, so it is folded in whole, and then less of it."""
    for path, module in network.named_modules():
        if not isinstance(module, BaseTunerLayer):
            continue
        factor = strength.of(f"{root}.{path}")
        if getattr(module, "use_dora", {}).get("default"):
            weight = module.get_base_layer().weight
            before = weight.detach().clone()
            module.merge()
            weight.data = before + factor * (weight.data - before)
        else:
            module.scaling["default"] *= factor


def _inject_peft(lora: Path, state: Tensors, network: nn.Module) -> None:
    """By those of PEFT's options that say what the tensors are. Others name modules that it would import, or
    change the base's weights."""
    given = read_json(lora.parent / ADAPTER_FILE)
    bare = {key.removeprefix(PEFT_PREFIX): value for key, value in state.items()}
    options = {key: value for key, value in given.items() if key in PEFT_OPTIONS}
    modules = sorted({TENSOR_SUFFIX.sub("", key) for key in bare})
    config = PEFT_CONFIGS[given.get("peft_type", "LORA")](**options, target_modules=modules)
    inject_adapter_in_model(config, network)
    set_peft_model_state_dict(network, bare)


def _inject_diffusers(lora: Path, state: Tensors, network: nn.Module, root: str) -> None:
    settings = _settings(lora)
    own = {key.removeprefix(f"{root}."): value for key, value in state.items() if key.startswith(f"{root}.")}
    alpha = settings.get(f"{root}.lora_alpha")
    patterns = settings.get(f"{root}.alpha_pattern") or {}
    alphas = {} if alpha is None else dict.fromkeys(_modules(own), float(alpha))
    compiled = [(re.compile(rf"(.*\.)?({key})$"), value) for key, value in patterns.items()]
    for path in alphas:
        alphas[path] = next((value for pattern, value in compiled if pattern.match(path)), alphas[path])
    rslora = bool(settings.get(f"{root}.use_rslora"))
    _inject(network, own, alphas, use_rslora=rslora)


def _by_module(state: Tensors, root: Root, network: nn.Module) -> dict[str, dict[str, torch.Tensor]]:
    """Module's path → what follows its name in the file's keys → tensor."""
    modules = [path for path, module in network.named_modules() if hasattr(module, "weight")]
    spelled = [(path, path) for path in modules]
    if root is UNET:  # Stability's names too; tests hold them beside diffusers' conversion
        spelled += [(theirs, ours) for ours, theirs in sgm_names(modules).items()]
    paths = {prefix + name.replace(".", "_"): path for name, path in spelled for prefix in root.kohya}
    found: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in state.items():
        name, _, kind = key.partition(".")
        if path := paths.get(name):
            found.setdefault(path, {})[kind] = value
    return found


def _apply_kohya(found: Mapping[str, Tensors], network: nn.Module, root: str, strength: Strength) -> None:
    plain = {path: tensors for path, tensors in found.items() if tensors.keys() <= PLAIN}
    with torch.no_grad():
        for path, tensors in found.items():
            if path not in plain:
                _change(network.get_submodule(path), tensors, strength.of(f"{root}.{path}"))
    state: dict[str, torch.Tensor] = {}
    alphas: dict[str, float] = {}
    for path, tensors in plain.items():
        state |= {f"{path}.{KINDS[kind]}": value for kind, value in tensors.items() if kind in KINDS}
        alphas |= {path: float(tensors["alpha"])} if "alpha" in tensors else {}
    _inject(network, state, alphas)


def _change(module: Any, tensors: Tensors, factor: float) -> None:
    """In place, of a weight, a bias or both."""
    for kind in ("diff_b", "b_norm"):
        if kind in tensors:
            module.bias += factor * tensors[kind].float()
    weight = module.weight
    delta = _delta({kind: value.float() for kind, value in tensors.items()}, weight)
    if delta is None:
        return
    if "dora_scale" in tensors:
        changed = weight + delta.reshape(weight.shape)
        magnitude = tensors["dora_scale"].float()
        kept = 0 if magnitude.shape[0] == weight.shape[0] else 1
        norm = torch.linalg.vector_norm(
            changed, dim=[axis for axis in range(weight.ndim) if axis != kept], keepdim=True
        )
        delta = changed * magnitude / norm - weight
    weight += factor * delta.reshape(weight.shape)


def _delta(tensors: Tensors, weight: torch.Tensor) -> torch.Tensor | None:
    for kind in ("diff", "w_norm"):
        if kind in tensors:
            return tensors[kind]
    if "hada_w1_a" in tensors:
        sides = [tensors[f"hada_w{number}_{side}"] for number in (1, 2) for side in "ab"]
        scale = torch.tensor(_scale_of(tensors, len(sides[1])))
        if "hada_t1" in tensors:
            return loha.make_weight_cp(tensors["hada_t1"], *sides[:2], tensors["hada_t2"], *sides[2:], scale)
        return loha.make_weight(*sides, scale)
    if "lokr_w1" in tensors or "lokr_w1_a" in tensors:
        return _kronecker(tensors)
    return _low_rank(tensors) if "lora_up.weight" in tensors else None


def _low_rank(tensors: Tensors) -> torch.Tensor:
    up, down = tensors["lora_up.weight"], tensors["lora_down.weight"]
    scale = _scale_of(tensors, len(down))
    if "lora_mid.weight" not in tensors:
        return scale * (up.flatten(1) @ down.flatten(1))
    mid = tensors["lora_mid.weight"]
    # What the three convolutions (1x1, kh x kw, 1x1) make of a unit impulse in each channel is the kernel,
    # mirrored.
    after_down = down.flatten(1).T[:, :, None, None]
    after_mid = nn.functional.conv2d(after_down, mid, padding=[size - 1 for size in mid.shape[2:]])
    return scale * nn.functional.conv2d(after_mid, up).transpose(0, 1).flip(2, 3)


def _kronecker(tensors: Tensors) -> torch.Tensor:
    halves = [tensors[key] for key in ("lokr_w1_b", "lokr_w2_b") if key in tensors]
    first = tensors["lokr_w1"] if "lokr_w1" in tensors else tensors["lokr_w1_a"] @ tensors["lokr_w1_b"]
    if "lokr_w2" in tensors:
        second = tensors["lokr_w2"]
    elif "lokr_t2" in tensors:
        second = lokr.make_weight_cp(tensors["lokr_t2"], tensors["lokr_w2_a"], tensors["lokr_w2_b"])
    else:
        second = tensors["lokr_w2_a"] @ tensors["lokr_w2_b"]
    made: torch.Tensor = lokr.make_kron(first, second, _scale_of(tensors, len(halves[0])) if halves else 1.0)
    return made


def _scale_of(tensors: Tensors, rank: int) -> float:
    return float(tensors["alpha"]) / rank if "alpha" in tensors else 1.0


def _modules(state: Tensors) -> list[str]:
    return sorted({key.partition(".lora_")[0] for key in state})


def _inject(network: nn.Module, state: Tensors, alphas: Mapping[str, float], **more: Any) -> None:
    """`state` in PEFT's names; a module without alpha has its rank's."""
    modules = _modules(state)
    if not modules:
        return
    ranks = {path: state[f"{path}.lora_A.weight"].shape[0] for path in modules}
    given = {path: alphas.get(path, rank) for path, rank in ranks.items()}
    config = LoraConfig(
        target_modules=modules,
        rank_pattern={f"^{re.escape(path)}": rank for path, rank in ranks.items()},
        alpha_pattern={f"^{re.escape(path)}": alpha for path, alpha in given.items()},
        use_dora=any("lora_magnitude_vector" in key for key in state),
        **more,
    )
    inject_adapter_in_model(config, network)
    set_peft_model_state_dict(network, dict(state))


def _settings(lora: Path) -> Mapping[str, Any]:
    """As diffusers keeps PEFT's in a file: unet.lora_alpha and so on."""
    with safe_open(lora, framework="pt") as file:
        text = (file.metadata() or {}).get("lora_adapter_metadata")
    return parse_json(text, f"{lora.name}'s PEFT settings", dict) if text else {}
