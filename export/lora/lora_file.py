"""A LoRA file as published, in any of the layouts that trainers and converters write (docs/export.md).

Needs numpy, onnx and safetensors only.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from safetensors import SafetensorError, safe_open

from contract.limits import MAX_LORA_BYTES
from contract.safetensors_header import BadSafetensors, SafetensorsHeader, data_start, read_header
from export.errors import ExportError
from export.lora.adapters import Array, Layer, kind_of, layer_of
from export.lora.keys import LayerKeys, group_keys, list_keys, refuse_unsupported, split_embeddings
from export.lora.made_for import made_for
from export.lora.notes import embedding_notes
from export.lora.peft_settings import NONE, PeftSettings, find_settings_of, settings_of

__all__ = ["Lora", "read_lora"]

FP8 = {"F8_E4M3": TensorProto.FLOAT8E4M3FN, "F8_E5M2": TensorProto.FLOAT8E5M2}
TYPES = ("F64", "F32", "F16", "BF16", *FP8)
INTEGERS = ("I64", "I32", "I16", "I8", "U8")  # of alphas alone: some converters count the rank
MAX_LAYER_VALUES = 1 << 27
"""Of one layer's tensors; the largest weight of SDXL has half as many."""


@dataclass(frozen=True)
class Lora:
    """A file's layers, each read when it is asked for and kept by nobody: a large file has gigabytes."""

    file: str
    sources: Mapping[str, Callable[[], Layer]]
    made_for: str = ""  # a family's title, if the file's names tell
    settings_file: Path | None = None  # PEFT's, if the alphas come from there
    notes: tuple[str, ...] = ()  # what of the file is left out

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


@dataclass(frozen=True)
class OpenFile:
    """Open for as long as a layer may be read."""

    path: Path
    header: SafetensorsHeader
    tensors: Any  # safetensors' own handle, which has checked where they lie

    def read(self, key: str) -> Array:
        kind, shape = self.header.types[key], self.header.shapes[key]
        if kind not in FP8:
            return np.asarray(self.tensors.get_tensor(key), np.float32)
        # Not one of numpy's types, which is all that safetensors' handle returns.
        start = data_start(self.path) + self.header.starts[key]
        stored = np.fromfile(self.path, np.uint8, math.prod(shape), offset=start)
        values = stored.view(helper.tensor_dtype_to_np_dtype(FP8[kind]))
        return np.asarray(values.reshape(shape), np.float32)

    def number(self, key: str) -> float:
        value = self.read(key)
        if value.size != 1:
            raise ExportError(f"LoRA key {key} is no number")
        return float(value.item())


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
        return _layers(OpenFile(path, header, safe_open(path, framework="numpy")))
    except (OSError, SafetensorError, BadSafetensors) as error:
        raise ExportError(f"Cannot read {path.name}: {error}") from None


def _layers(file: OpenFile) -> Lora:
    path, header = file.path, file.header
    embeddings, keys = split_embeddings(sorted(header.shapes))
    if embeddings and not keys:
        raise ExportError(
            f"{path.name} is an embedding (textual inversion), no LoRA: {list_keys(list(header.shapes))}"
        )
    refuse_unsupported(keys)
    layers, alone = group_keys(keys)
    for flat in [flat for flat, found in layers.items() if kind_of(found.kind) is None]:
        alone += layers.pop(flat).roles.values()
    if alone or not layers:
        raise ExportError(f"{path.name}: {_complain(alone, bool(layers))}")
    by_part = settings_of(header.metadata, path, keys)
    sources: dict[str, Callable[[], Layer]] = {}
    for found in layers.values():
        settings = next((settings for part, settings in by_part.items() if found.name.startswith(part)), NONE)
        _check(found, header, settings)
        sources[found.name] = partial(_layer, file, found, settings)
    return Lora(
        path.name,
        sources,
        made_for(layers, header.shapes),
        find_settings_of(header.metadata, path, keys),
        embedding_notes(embeddings, header.shapes),
    )


def _complain(alone: list[str], some: bool) -> str:
    what = f"{len(alone):,} keys are no part of a LoRA layer: {list_keys(sorted(alone))}"
    advice = "a part is missing or not a LoRA's" if some else "it is no LoRA of a kind that is known"
    return f"{what}; {advice}: see LoRA files in docs/export.md"


def _check(found: LayerKeys, header: SafetensorsHeader, settings: PeftSettings) -> None:
    if settings.dora and "magnitude" not in found.roles and "down" in found.roles:
        raise ExportError(f"LoRA layer {found.name} is DoRA's by its settings, and has no magnitude")
    for role, key in found.roles.items():
        known = (*TYPES, *INTEGERS) if role == "alpha" else TYPES
        if header.types[key] not in known:
            raise ExportError(f"LoRA key {key} has the type {header.types[key]}; known: {', '.join(known)}")
    values = sum(math.prod(header.shapes[key]) for key in found.roles.values())
    if values > MAX_LAYER_VALUES:
        raise ExportError(
            f"LoRA layer {found.name} has {values:,} values; expected at most {MAX_LAYER_VALUES:,}"
        )


def _layer(file: OpenFile, found: LayerKeys, settings: PeftSettings) -> Layer:
    keys = found.roles
    tensors = {role: file.read(keys[role]) for role in keys if role in found.kind}
    magnitude = file.read(keys["magnitude"]) if "magnitude" in keys else None
    if magnitude is not None and not keys["magnitude"].endswith(".dora_scale"):
        magnitude = magnitude.ravel()  # PEFT's, always of outputs, is [1, out, 1, 1] for a convolution

    def scale(rank: int | None) -> float:
        if rank is None:
            return settings.whole_scale(found.name)
        told = settings.told_alpha(found.name)
        alpha = file.number(keys["alpha"]) if "alpha" in keys else told
        if alpha is not None and told is not None and not math.isclose(alpha, told, rel_tol=1e-3):
            raise ExportError(
                f"LoRA layer {found.name} has the alpha {alpha:g} in a key and {told:g} in its settings: "
                "remove the wrong one from the file"
            )
        return (rank if alpha is None else alpha) / (math.sqrt(rank) if settings.rslora else rank)

    return layer_of(found.name, tensors, scale, magnitude)
