"""A LoRA applied to a checkpoint in torch, which the merge is compared with.

No library's loader needs to understand the file: each weight's change is computed from the same factors by
its formula, in torch and by code of its own. What the merge has read of the file (names, alphas) is what this
takes; tests hold that beside the loaders of diffusers, PEFT and LyCORIS wherever these can read a file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft.tuners.loha import layer as loha
from peft.tuners.lokr import layer as lokr
from torch import nn

from export.checkpoints.checkpoint import Checkpoint
from export.errors import ExportError, first_line
from export.lora.adapters import Layer
from export.lora.lora_file import read_lora
from export.lora.strength import Strength
from export.lora.targets import BIAS, UNET, Root, by_flat_path, text_encoder_roots

Tensors = Mapping[str, torch.Tensor]  # by role: down, up, hada_w1_a, …


def apply_lora(lora: Path, strength: Strength, checkpoint: Checkpoint) -> list[str]:
    """Changes the checkpoint's networks. The names of layers that none of them has. Raises ExportError if
    torch cannot take the file."""
    roots = (*text_encoder_roots(checkpoint.family.row), UNET)
    known = {root: _modules(checkpoint.networks[root.graph.removesuffix(".")], root) for root in roots}
    lost = []
    try:
        for layer in read_lora(lora):
            paths = ((root, root.path_of(layer.name)) for root in roots)
            root, path = next(((root, path) for root, path in paths if path is not None), (UNET, ""))
            if path in known[root]:
                name, module = known[root][path]
                _change(module, layer, strength.of(root.graph + name))
            else:
                lost.append(layer.name)
    except ExportError:
        raise
    except Exception as error:  # torch and PEFT raise many kinds
        raise ExportError(f"torch cannot take {lora.name}: {first_line(error)}") from None
    return lost


def _modules(network: nn.Module, root: Root) -> dict[str, tuple[str, nn.Module]]:
    """Path and module by the flat path of its weight, and of its bias."""
    modules = {path: module for path, module in network.named_modules() if hasattr(module, "weight")}
    paths = [name for path in modules for name in (path, path + BIAS)]
    return {
        flat: (module := path.removesuffix(BIAS), modules[module])
        for flat, path in by_flat_path(paths, root).items()
    }


def _change(module: Any, layer: Layer, factor: float) -> None:
    """In place, of a weight or a bias."""
    tensors = {role: torch.from_numpy(value) for role, value in layer.tensors.items()}
    with torch.no_grad():
        if "bias" in tensors:
            module.bias += factor * layer.scale * tensors["bias"]
            return
        weight = module.weight
        change = layer.scale * _change_of(tensors).reshape(weight.shape)
        if layer.magnitude is not None:
            change = _dora(weight + change, torch.from_numpy(layer.magnitude)) - weight
        weight += factor * change


def _dora(changed: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
    """Each output, or each input where the magnitudes are theirs, gets the magnitude as its norm."""
    kept = 1 if magnitude.ndim > 1 and magnitude.shape[1] == changed.shape[1] > magnitude.shape[0] else 0
    others = [axis for axis in range(changed.ndim) if axis != kept]
    norm = torch.linalg.vector_norm(changed, dim=others, keepdim=True)
    return changed * (magnitude.reshape(norm.shape) / norm)


def _change_of(tensors: Tensors) -> torch.Tensor:
    if "diff" in tensors:
        return tensors["diff"]
    if "hada_w1_a" in tensors:
        sides = [tensors[f"hada_w{number}_{side}"] for number in (1, 2) for side in "ab"]
        one = torch.tensor(1.0)
        if "hada_t1" in tensors:
            return loha.make_weight_cp(tensors["hada_t1"], *sides[:2], tensors["hada_t2"], *sides[2:], one)
        return loha.make_weight(*sides, one)
    if "lokr_w1" in tensors or "lokr_w1_a" in tensors:
        return _kronecker(tensors)
    up, down = tensors["up"], tensors["down"]
    return up.flatten(1) @ down.flatten(1) if "mid" not in tensors else _with_middle(up, down, tensors["mid"])


def _with_middle(up: torch.Tensor, down: torch.Tensor, mid: torch.Tensor) -> torch.Tensor:
    # What the three convolutions (1x1, kh x kw, 1x1) make of a unit impulse in each channel is the kernel,
    # mirrored.
    after_down = down.flatten(1).T[:, :, None, None]
    after_mid = nn.functional.conv2d(after_down, mid, padding=[size - 1 for size in mid.shape[2:]])
    return nn.functional.conv2d(after_mid, up).transpose(0, 1).flip(2, 3)


def _kronecker(tensors: Tensors) -> torch.Tensor:
    first = tensors["lokr_w1"] if "lokr_w1" in tensors else tensors["lokr_w1_a"] @ tensors["lokr_w1_b"]
    if "lokr_w2" in tensors:
        second = tensors["lokr_w2"]
    elif "lokr_t2" in tensors:
        second = lokr.make_weight_cp(tensors["lokr_t2"], tensors["lokr_w2_a"], tensors["lokr_w2_b"])
    else:
        second = tensors["lokr_w2_a"] @ tensors["lokr_w2_b"]
    made: torch.Tensor = lokr.make_kron(first, second, 1.0)
    return made
