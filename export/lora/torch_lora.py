"""A LoRA applied to a checkpoint in torch, which the merge is compared with.

No library's loader needs to understand the file: each weight's change is computed from the same factors by
its formula, in torch and by code of its own. What the merge has read of the file (names, alphas) is what this
takes; tests hold that beside the loaders of diffusers, PEFT and LyCORIS wherever these can read a file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from export.lora.targets import BIAS, Root, by_flat_path, denoiser_root, text_encoder_roots

Tensors = Mapping[str, torch.Tensor]  # by role: down, up, hada_w1_a, …


def apply_lora(lora: Path, strength: Strength, checkpoint: Checkpoint) -> list[str]:
    """Changes the checkpoint's networks. The names of layers that none of them has. Raises ExportError if
    torch cannot take the file."""
    denoiser = denoiser_root(checkpoint.family.row)
    roots = (*text_encoder_roots(checkpoint.family.row), denoiser)
    known = {root: _modules(checkpoint.networks[root.graph.removesuffix(".")], root) for root in roots}
    lost = []
    try:
        for layer in read_lora(lora):
            paths = ((root, root.path_of(layer.name)) for root in roots)
            root, path = next(((root, path) for root, path in paths if path is not None), (denoiser, ""))
            if path in known[root]:
                changed = known[root][path]
                factors = [strength.of(root.graph + name) for name in changed.names]
                _change(changed, layer, factors)
            else:
                lost.append(layer.name)
    except ExportError:
        raise
    except Exception as error:  # torch and PEFT raise many kinds
        raise ExportError(f"torch cannot take {lora.name}: {first_line(error)}") from None
    return lost


@dataclass(frozen=True)
class _Changed:
    """What one layer of a LoRA is for."""

    names: tuple[str, ...]  # paths of the modules
    modules: tuple[Any, ...]
    swapped: bool


def _modules(network: nn.Module, root: Root) -> dict[str, _Changed]:
    """By the flat path of a weight, and of a bias."""
    modules = {path: module for path, module in network.named_modules() if hasattr(module, "weight")}
    paths = [name for path in modules for name in (path, path + BIAS)]
    found = {}
    for flat, name in by_flat_path(paths, root).items():
        names = tuple(path.removesuffix(BIAS) for path in name.ours)
        found[flat] = _Changed(names, tuple(modules[one] for one in names), name.swapped)
    return found


def _change(changed: _Changed, layer: Layer, factors: Sequence[float]) -> None:
    """In place, of weights or biases, as if they were one, one behind the other."""
    tensors = {role: torch.from_numpy(value) for role, value in layer.tensors.items()}
    kind = "bias" if "bias" in tensors else "weight"
    with torch.no_grad():
        parts = [getattr(module, kind) for module in changed.modules]
        weight = _turned(torch.cat(parts), changed.swapped)
        change = layer.scale * (tensors["bias"] if kind == "bias" else _change_of(tensors))
        change = change.reshape(weight.shape)
        if layer.magnitude is not None:
            change = _dora(weight + change, torch.from_numpy(layer.magnitude)) - weight
        changes = _turned(change, changed.swapped).split([len(part) for part in parts])
        for part, each, factor in zip(parts, changes, factors, strict=True):
            part += factor * each


def _turned(values: torch.Tensor, swapped: bool) -> torch.Tensor:
    """With the two halves the other way round."""
    return torch.cat([*values.chunk(2)][::-1]) if swapped else values


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
