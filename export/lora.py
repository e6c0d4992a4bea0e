"""A LoRA file as published, with kohya's, diffusers' or PEFT's keys. Needs numpy and safetensors only."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from export.errors import ExportError

DOWN = (
    ".lora_down.weight",
    ".lora_A.weight",
    ".lora_A.default.weight",
    ".lora.down.weight",
    "_lora.down.weight",
)
UP = (".lora_up.weight", ".lora_B.weight", ".lora_B.default.weight", ".lora.up.weight", "_lora.up.weight")
ALPHA = (".alpha",)
UNSUPPORTED = {
    "dora_scale": "DoRA",
    "lora_magnitude_vector": "DoRA",
    "hada_": "LoHa",
    "lokr_": "LoKr",
    "oft_": "OFT",
    "lora_mid": "LoCon with a middle matrix",
    ".diff": "full weight differences",
    ".lora_B.bias": "LoRA with biases",
}
ADAPTER_FILE = "adapter_config.json"  # PEFT's settings
PARTS = ("unet.", "text_encoder_2.", "text_encoder.")  # of which diffusers keeps PEFT's settings apart
MAX_FILE_BYTES = 4 << 30
MAX_RANK = 4096
TYPES = ("F64", "F32", "F16", "BF16")
SHOWN = 20  # keys that an error names

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """The change of one weight is scale · up @ down."""

    name: str  # as in the file, without the tensors' suffixes
    down: Array  # [rank, in] or [rank, in, kh, kw]
    up: Array  # [out, rank] or [out, rank, 1, 1]
    scale: float

    def __post_init__(self) -> None:
        rank = self.down.shape[0] if self.down.ndim else 0
        fits = self.down.ndim in (2, 4) and self.up.ndim in (2, 4) and self.up.shape[1] == rank
        if not fits or math.prod(self.up.shape[2:]) != 1 or not 1 <= rank <= MAX_RANK:
            raise ExportError(
                f"LoRA layer {self.name}: shapes {[*self.down.shape]} down, {[*self.up.shape]} up do not fit"
            )
        if not (np.isfinite(self.down).all() and np.isfinite(self.up).all() and math.isfinite(self.scale)):
            raise ExportError(f"LoRA layer {self.name} holds a value that is not a finite number")

    @property
    def change(self) -> Array:
        """As a matrix [out, in · kh · kw]; a linear layer's lies column by column in memory, since its weight
        does so in a graph, and adding the one to the other is then ten times as fast."""
        out, rank = self.up.shape[:2]
        up, down = np.float32(self.scale) * self.up.reshape(out, rank), self.down.reshape(rank, -1)
        return np.asarray((down.T @ up.T).T if self.down.ndim == 2 else up @ down, np.float32)


@dataclass(frozen=True)
class Lora:
    """A file's layers, each read when it is asked for and kept by nobody: a large file has gigabytes."""

    file: str
    sources: Mapping[str, Callable[[], Layer]]

    @property
    def names(self) -> list[str]:
        return list(self.sources)

    def layer(self, name: str) -> Layer:
        """Raises ExportError if it is no plain LoRA's."""
        try:
            return self.sources[name]()
        except (OSError, SafetensorError) as error:
            raise ExportError(f"Cannot read {self.file}: {error}") from None

    def __iter__(self) -> Iterator[Layer]:
        return map(self.layer, self.sources)


def read_lora(path: Path) -> Lora:
    """Raises ExportError for a file that has anything but plain LoRA layers, with the reason."""
    if path.suffix != ".safetensors":
        raise ExportError(
            f"{path.name} is no .safetensors file; other kinds can run code when they are loaded"
        )
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ExportError(f"{path.name} is larger than {MAX_FILE_BYTES >> 30} GiB")
        return _layers(safe_open(path, framework="numpy"), path)  # open for as long as a layer may be read
    except (OSError, SafetensorError) as error:
        raise ExportError(f"Cannot read {path.name}: {error}") from None


def listed(keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more


def _layers(file: Any, path: Path) -> Lora:
    keys = sorted(file.keys())
    _refuse_unsupported(keys)
    downs, ups, alphas = (_by_layer(keys, suffixes) for suffixes in (DOWN, UP, ALPHA))
    halves = sorted(set(downs.values()) | set(ups.values()) | set(alphas.values()))
    alone = sorted(set(keys) - set(halves)) + [
        key
        for kind in (downs, ups, alphas)
        for name, key in kind.items()
        if not (name in downs and name in ups)
    ]
    if alone or not downs:
        raise ExportError(f"{path.name}: {len(alone)} keys are no part of a LoRA layer: {listed(alone)}")
    by_part = _adapter_options(file.metadata() or {}, path, keys)
    sources = {}
    for name in downs:
        options = next((options for part, options in by_part.items() if name.startswith(part)), {})
        sources[name] = partial(_layer, file, name, downs[name], ups[name], alphas.get(name), options)
    return Lora(path.name, sources)


def _refuse_unsupported(keys: list[str]) -> None:
    for marker, kind in UNSUPPORTED.items():
        if found := [key for key in keys if marker in key]:
            raise ExportError(f"{kind} is not supported ({len(found)} keys, such as {found[0]})")


def _by_layer(keys: list[str], suffixes: tuple[str, ...]) -> dict[str, str]:
    return {key.removesuffix(suffix): key for suffix in suffixes for key in keys if key.endswith(suffix)}


def _layer(
    file: Any, name: str, down: str, up: str, alpha_key: str | None, options: Mapping[str, Any]
) -> Layer:
    wide = _tensor(file, down)
    rank = wide.shape[0] if wide.ndim else 0
    alpha = _number(file, alpha_key) if alpha_key else options.get("lora_alpha", rank)
    divisor = math.sqrt(rank) if options.get("use_rslora") else rank
    return Layer(name, wide, _tensor(file, up), alpha / max(divisor, 1))


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


def _adapter_options(metadata: Mapping[str, str], path: Path, keys: list[str]) -> dict[str, dict[str, Any]]:
    """PEFT's settings, where alpha is, by how the keys begin that they are for.

    diffusers keeps them in the file, PEFT itself in a file beside it.
    """
    try:
        if "lora_adapter_metadata" in metadata:
            given = json.loads(metadata["lora_adapter_metadata"])
            return {part: _settings(_part_of(given, part)) for part in PARTS}
        if keys[0].startswith("base_model.model."):
            return {"base_model.model.": _settings(json.loads((path.parent / ADAPTER_FILE).read_bytes()))}
        return {}
    except FileNotFoundError:
        raise ExportError(f"{path.name} needs the {ADAPTER_FILE} that PEFT wrote beside it") from None
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ExportError(f"{path.name}: its PEFT settings cannot be read ({error!r})") from None


def _part_of(given: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {key.removeprefix(part): value for key, value in given.items() if key.startswith(part)}


def _settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ExportError for an option that is not supported, KeyError and ValueError for nonsense."""
    if not options:
        return {}
    refused = [name for name in ("use_dora", "alpha_pattern", "lora_bias") if options.get(name)]
    if refused:
        raise ExportError(f"The LoRA's option {refused[0]} is not supported")
    return {"use_rslora": bool(options.get("use_rslora")), "lora_alpha": float(options["lora_alpha"])}
