"""A LoRA file as published, with kohya's, LyCORIS', diffusers' or PEFT's keys.

Needs numpy and safetensors only.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from contract.limits import MAX_LORA_BYTES
from contract.safetensors_header import BadSafetensors, SafetensorsHeader, read_header
from export.errors import ExportError
from export.lora.adapters import Array, Layer, kind_of, layer_of
from export.lora.peft_settings import ADAPTER_FILE, NONE, PeftSettings, settings_of

__all__ = ["ADAPTER_FILE", "BIAS", "Lora", "list_keys", "read_lora"]

ROLES = {
    **dict.fromkeys((".lora_down.weight", ".lora_A.weight", ".lora_A.default.weight"), "down"),
    **dict.fromkeys((".lora.down.weight", "_lora.down.weight"), "down"),
    **dict.fromkeys((".lora_up.weight", ".lora_B.weight", ".lora_B.default.weight"), "up"),
    **dict.fromkeys((".lora.up.weight", "_lora.up.weight"), "up"),
    ".lora_mid.weight": "mid",
    **{f".hada_{role}": f"hada_{role}" for role in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
    **{f".lokr_{role}": f"lokr_{role}" for role in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")},
    **dict.fromkeys((".diff", ".w_norm"), "diff"),
    **dict.fromkeys((".diff_b", ".b_norm"), "bias"),
    ".alpha": "alpha",
    **dict.fromkeys((".dora_scale", ".lora_magnitude_vector"), "magnitude"),
}
"""End of a key → what the tensor is to its layer."""
UNSUPPORTED = {
    "oft_": "OFT",
    ".boft": "BOFT",
    ".lora_B.bias": "LoRA with biases",
    ".on_input": "IA3",
    ".lora_embedding_": "LoRA of an embedding",
}
BIAS = ".bias"
"""Ends the name of a layer that changes a bias."""
TYPES = ("F64", "F32", "F16", "BF16")
SHOWN = 20  # keys that an error names

Keys = Mapping[str, str]  # of one layer, by role


@dataclass(frozen=True)
class Lora:
    """A file's layers, each read when it is asked for and kept by nobody: a large file has gigabytes."""

    file: str
    sources: Mapping[str, Callable[[], Layer]]

    @property
    def names(self) -> list[str]:
        return list(self.sources)

    def layer(self, name: str) -> Layer:
        """Raises ExportError if its tensors are no layer's."""
        try:
            return self.sources[name]()
        except (OSError, SafetensorError) as error:
            raise ExportError(f"Cannot read {self.file}: {error}") from None

    def __iter__(self) -> Iterator[Layer]:
        return map(self.layer, self.sources)


def read_lora(path: Path) -> Lora:
    """Raises ExportError for a file that has anything but layers of a known kind, with the reason."""
    if path.suffix != ".safetensors":
        raise ExportError(
            f"{path.name} is no .safetensors file; other kinds can run code when they are loaded"
        )
    try:
        if path.stat().st_size > MAX_LORA_BYTES:
            raise ExportError(f"{path.name} is larger than {MAX_LORA_BYTES >> 30} GiB")
        header = read_header(path)
        # Open for as long as a layer may be read.
        return _layers(header, safe_open(path, framework="numpy"), path)
    except (OSError, SafetensorError, BadSafetensors) as error:
        raise ExportError(f"Cannot read {path.name}: {error}") from None


def list_keys(keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more


def _layers(header: SafetensorsHeader, file: Any, path: Path) -> Lora:
    keys = sorted(header.shapes)
    _refuse_unsupported(keys)
    found, alone = _by_layer(keys)
    for name in [name for name, roles in found.items() if kind_of(frozenset(roles) - SIDE) is None]:
        alone += found.pop(name).values()
    if alone or not found:
        raise ExportError(f"{path.name}: {len(alone)} keys are no part of a LoRA layer: {list_keys(alone)}")
    by_part = settings_of(header.metadata, path, keys)
    sources = {}
    for name, roles in found.items():
        settings = next((settings for part, settings in by_part.items() if name.startswith(part)), NONE)
        if settings.dora and "magnitude" not in roles and "down" in roles:
            raise ExportError(f"LoRA layer {name} is DoRA's by its settings, and has no magnitude")
        sources[name] = partial(_layer, file, name, roles, settings)
    return Lora(path.name, sources)


SIDE = frozenset({"alpha", "magnitude"})  # may go with any kind that is scaled


def _refuse_unsupported(keys: list[str]) -> None:
    for marker, kind in UNSUPPORTED.items():
        if found := [key for key in keys if marker in key]:
            raise ExportError(f"{kind} is not supported ({len(found)} keys, such as {found[0]})")


def _by_layer(keys: list[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Layer → role → key, and the keys that are of no layer."""
    found: dict[str, dict[str, str]] = {}
    alone = []
    for key in keys:
        suffix = next((suffix for suffix in ROLES if key.endswith(suffix)), "")
        role = ROLES.get(suffix, "")
        name = key.removesuffix(suffix) + (BIAS if role == "bias" else "")
        if not role or role in found.get(name, {}):
            alone.append(key)
        else:
            found.setdefault(name, {})[role] = key
    return found, alone


def _layer(file: Any, name: str, keys: Keys, settings: PeftSettings) -> Layer:
    tensors = {role: _tensor(file, key) for role, key in keys.items() if role not in SIDE}
    magnitude = _tensor(file, keys["magnitude"]) if "magnitude" in keys else None
    if magnitude is not None and not keys["magnitude"].endswith(".dora_scale"):
        magnitude = magnitude.ravel()  # PEFT's, always of outputs, is [1, out, 1, 1] for a convolution

    def scale(rank: int | None) -> float:
        if rank is None:
            return settings.whole_scale(name)
        alpha = _number(file, keys["alpha"]) if "alpha" in keys else settings.alpha_of(name, rank)
        return alpha / (math.sqrt(rank) if settings.rslora else rank)

    return layer_of(name, tensors, scale, magnitude)


def _number(file: Any, key: str) -> float:
    value = _tensor(file, key)
    if value.size != 1:
        raise ExportError(f"LoRA key {key} is no number")
    return float(value.item())


def _tensor(file: Any, key: str) -> Array:
    kind = file.get_slice(key).get_dtype()
    if kind not in TYPES:
        raise ExportError(f"LoRA key {key} has the type {kind}; known: {', '.join(TYPES)}")
    return np.asarray(file.get_tensor(key), np.float32)
