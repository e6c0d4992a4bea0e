"""A VAE from elsewhere (`--vae`): one file in Stability's or diffusers' names, a checkpoint, or a folder."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from export.checkpoints.clean_folder import CONFIG_FILE, find_weights, read_config
from export.checkpoints.other_kinds import begins, check_quantised, open_header
from export.errors import ExportError, first_line
from export.families.family import TorchFamily
from export.single_file_keys import COMFY_VAE_PREFIX, VAE_PREFIX

DECODER = "decoder."


def read_vae(
    path: Path, family: TorchFamily, config: Mapping[str, Any]
) -> tuple[Mapping[str, Any], dict[str, torch.Tensor]]:
    """Its config and its weights, named as in a single file. `config`: the family's. Raises ExportError.

    A file says nothing of its scaling, so it must be of the checkpoint's family; a folder's is compared.
    """
    if not path.is_dir():
        return config, _named(path, _read(path))
    folder = path if (path / CONFIG_FILE).exists() else path / "vae"
    kind = family.networks["vae"].__name__
    found = read_config(folder, kind)
    scaling, wanted = (one.get("scaling_factor") or 0.18215 for one in (found, config))
    if not math.isclose(scaling, wanted, rel_tol=1e-3):
        raise ExportError(
            f"{folder} is the VAE of another family: its scaling_factor is {scaling}, expected {wanted}"
        )
    weights = find_weights(folder, family.weights_file("vae"))
    return found, _named(folder, {k: v for one in weights.paths.values() for k, v in _read(one).items()})


def _read(path: Path) -> dict[str, torch.Tensor]:
    keys = open_header(path).shapes.keys()
    check_quantised(path, keys)
    try:
        with safe_open(path, framework="pt") as file:
            begin = next((prefix for prefix in (VAE_PREFIX, COMFY_VAE_PREFIX) if begins(keys, prefix)), "")
            return {key.removeprefix(begin): file.get_tensor(key) for key in keys if key.startswith(begin)}
    except (OSError, SafetensorError) as error:
        raise ExportError(f"Cannot read {path}: {first_line(error)}") from None


def _named(path: Path, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    if not begins(state, DECODER):
        raise ExportError(f"{path} is no VAE: it has no decoder")
    return {f"{VAE_PREFIX}{key}": value for key, value in state.items()}
