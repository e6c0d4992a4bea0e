"""A folder of FLUX.1 as the files in which it is published elsewhere."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tests.export.black_forest import black_forest_state
from tests.export.single import vae_state

State = Mapping[str, torch.Tensor]
Store = Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]


def as_half(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value.half() for key, value in state.items()}


def write_all_in_one(folder: Path, path: Path, store: Store = as_half) -> Path:
    """ComfyUI's checkpoint: transformer, both encoders and the VAE."""
    tensors = black_forest_state(state_of(folder / "transformer"), "model.diffusion_model.")
    tensors |= _prefixed("text_encoders.clip_l.transformer.", state_of(folder / "text_encoder"))
    tensors |= _prefixed("text_encoders.t5xxl.transformer.", state_of(folder / "text_encoder_2"))
    tensors |= _prefixed("vae.", _bare_vae(state_of(folder / "vae")))
    save_file(store(tensors), path)
    return path


def write_split(folder: Path, target: Path) -> Mapping[str, Path]:
    """The transformer as Black Forest Labs publish it, and the files that go with it."""
    states = {
        "flux1": black_forest_state(state_of(folder / "transformer"), ""),
        "ae": _bare_vae(state_of(folder / "vae")),
        "clip_l": state_of(folder / "text_encoder"),
        "t5xxl_fp16": state_of(folder / "text_encoder_2"),
    }
    for name, state in states.items():
        save_file(as_half(dict(state)), target / f"{name}.safetensors")
    return {name: target / f"{name}.safetensors" for name in states}


def state_of(folder: Path) -> State:
    state: State = load_file(next(folder.glob("*.safetensors")))
    return state


def _prefixed(prefix: str, state: State) -> dict[str, torch.Tensor]:
    return {prefix + key: value for key, value in state.items()}


def _bare_vae(state: State) -> dict[str, torch.Tensor]:
    return {key.removeprefix("first_stage_model."): value for key, value in vae_state(state).items()}
