"""A diffusers folder as one file with the keys of Stability's own code, from their published names."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from export.lora.stability_names import sgm_names

NORM_OUT = {"conv_norm_out": "out.0"}
VAE = (
    (r"(en|de)coder\.mid_block\.resnets\.(\d)", lambda m: f"{m[1]}coder.mid.block_{int(m[2]) + 1}"),
    (r"(en|de)coder\.mid_block\.attentions\.0", r"\1coder.mid.attn_1"),
    (r"encoder\.down_blocks\.(\d)\.resnets", r"encoder.down.\1.block"),
    (r"encoder\.down_blocks\.(\d)\.downsamplers\.0", r"encoder.down.\1.downsample"),
    (r"decoder\.up_blocks\.(\d)\.resnets", lambda m: f"decoder.up.{LEVELS - 1 - int(m[1])}.block"),
    (r"decoder\.up_blocks\.(\d)\.upsamplers\.0", lambda m: f"decoder.up.{LEVELS - 1 - int(m[1])}.upsample"),
    (r"conv_norm_out", "norm_out"),
    (r"conv_shortcut", "nin_shortcut"),
    (r"attn_1\.group_norm", "attn_1.norm"),
    (r"attn_1\.to_(q|k|v)", r"attn_1.\1"),
    (r"attn_1\.to_out\.0", "attn_1.proj_out"),
)
LEVELS = 6
OPEN_CLIP = (
    ("text_model.embeddings.token_embedding.weight", "token_embedding.weight"),
    ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    ("text_model.final_layer_norm.", "ln_final."),
    ("text_model.encoder.layers.", "transformer.resblocks."),
    (".layer_norm1.", ".ln_1."),
    (".layer_norm2.", ".ln_2."),
    (".self_attn.out_proj.", ".attn.out_proj."),
    (".mlp.fc1.", ".mlp.c_fc."),
    (".mlp.fc2.", ".mlp.c_proj."),
)
State = Mapping[str, torch.Tensor]


def write_single_file(folder: Path, path: Path, metadata: Mapping[str, str] | None = None) -> Path:
    """SDXL if the folder has a second text encoder, else SD 1.5."""
    sdxl = (folder / "text_encoder_2").is_dir()
    clip = "conditioner.embedders.0.transformer." if sdxl else "cond_stage_model.transformer."
    tensors = {clip + name: value for name, value in _state(folder / "text_encoder").items()}
    tensors |= _unet(_state(folder / "unet")) | vae_state(_state(folder / "vae"))
    if sdxl:
        tensors |= _open_clip(_state(folder / "text_encoder_2"))
    save_file({name: value.half() for name, value in tensors.items()}, path, dict(metadata or {}))
    return path


def _state(folder: Path) -> State:
    state: State = load_file(next(folder.glob("*.safetensors")))
    return state


def _unet(state: State) -> dict[str, torch.Tensor]:
    names = sgm_names(key.rpartition(".")[0] for key in state) | NORM_OUT
    found = {}
    for key, value in state.items():
        module, _, kind = key.rpartition(".")
        found[f"model.diffusion_model.{names[module]}.{kind}"] = value
    return found


def vae_state(state: State) -> dict[str, torch.Tensor]:
    found = {}
    for key, value in state.items():
        name = key
        for pattern, new in VAE:
            name = re.sub(pattern, new, name)
        # Attention is written as 1x1 convolutions there.
        square = ".attn_1." in name and name.endswith("weight") and value.ndim == 2
        found[f"first_stage_model.{name}"] = value[:, :, None, None] if square else value
    return found


def _open_clip(state: State) -> dict[str, torch.Tensor]:
    found = {}
    for key, value in state.items():
        if key == "text_projection.weight":
            found["text_projection"] = value.T.contiguous()
        elif match := re.fullmatch(r"(.*)\.self_attn\.q_proj\.(weight|bias)", key):
            layer, kind = match.groups()
            joined = torch.cat([state[f"{layer}.self_attn.{one}_proj.{kind}"] for one in "qkv"])
            found[f"{_named(layer)}.attn.in_proj_{kind}"] = joined
        elif not re.search(r"self_attn\.[kv]_proj", key):
            found[_named(key)] = value
    return {f"conditioner.embedders.1.model.{name}": value for name, value in found.items()}


def _named(key: str) -> str:
    for theirs, ours in OPEN_CLIP:
        key = key.replace(theirs, ours)
    return key
