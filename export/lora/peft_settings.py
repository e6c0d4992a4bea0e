"""PEFT's settings of an adapter, where its alpha is: in a LoRA (diffusers) or beside it (PEFT itself)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from contract.peft_files import ADAPTER_FILE, PEFT_PREFIX, find_settings, is_peft
from export.errors import ExportError
from export.json_file import parse_json, read_json

METADATA = "lora_adapter_metadata"
"""Where diffusers puts them in a file, by network where it has several."""
NETWORK = re.compile(r"(?:unet|transformer|text_encoder(?:_\d+)?)\.")
"""Of each, diffusers keeps the settings apart."""
KINDS = ("LORA", "LOHA", "LOKR")
PLAIN = re.compile(r"\^?[\w.\\]{1,300}\$?")
"""A pattern of module names without repetition, so that no file can make matching slow."""
BASE_CHANGED = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Ways to begin a training that change the base's weights: what was trained fits no other base."""
MAX_PATTERNS = 2_048
"""Of one network; diffusers writes one for each layer, and SDXL's UNet has about a thousand."""


@dataclass(frozen=True)
class PeftSettings:
    alpha: float | None = None
    rank: float | None = None
    rslora: bool = False
    dora: bool = False
    alphas: Mapping[str, float] = field(default_factory=dict)  # by pattern of a module's path

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], float]]:
        return [(re.compile(rf"(.*\.)?({pattern})$"), alpha) for pattern, alpha in self.alphas.items()]

    def told_alpha(self, name: str) -> float | None:
        """PEFT takes the first pattern that a module's path ends with."""
        network = NETWORK.match(name)
        path = name.removeprefix(network[0] if network else "").removeprefix(PEFT_PREFIX)
        return next((alpha for pattern, alpha in self._patterns if pattern.match(path)), self.alpha)

    def whole_scale(self, name: str) -> float:
        """Of a change that has no rank: PEFT divides by the settings' one, others do not scale at all."""
        told = self.told_alpha(name)
        return 1.0 if self.rank is None or told is None else told / self.rank


NONE = PeftSettings()


def settings_of(metadata: Mapping[str, str], path: Path, keys: list[str]) -> dict[str, PeftSettings]:
    """By how the keys begin that they are for. `path`, `keys`: the file and what is in it."""
    try:
        if METADATA in metadata:
            given = parse_json(metadata[METADATA], f"{path.name}'s PEFT settings", dict)
            parts = {found[0] for key in given if (found := NETWORK.match(key))}
            if not parts and given.keys() & {"r", "lora_alpha", "alpha"}:
                parts = {""}  # a network's own save_lora_adapter
            return {part: _settings(_part_of(given, part)) for part in parts}
        if file := find_settings(path, keys):
            return {"": _settings(read_json(file))}
        if is_peft(path, keys) and not any(key.endswith(".alpha") for key in keys):
            raise ExportError(
                f"{path.name} needs the {ADAPTER_FILE} that PEFT wrote beside it, where its alpha is: put it "
                "into the same folder"
            )
        return {}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ExportError(f"{path.name}: its PEFT settings cannot be read ({error!r})") from None


def find_settings_of(metadata: Mapping[str, str], path: Path, keys: list[str]) -> Path | None:
    """The file that settings_of reads, if any."""
    return None if METADATA in metadata else find_settings(path, keys)


def _part_of(given: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {key.removeprefix(part): value for key, value in given.items() if key.startswith(part)}


def _check_patterns(name: str, found: Mapping[str, Any]) -> None:
    if len(found) > MAX_PATTERNS:
        raise ExportError(
            f"The LoRA's option {name} has {len(found):,} patterns; expected at most {MAX_PATTERNS:,}"
        )
    for pattern in found:
        if not PLAIN.fullmatch(pattern):
            raise ExportError(f"The LoRA's option {name} has {pattern[:80]!r}, which is no module's name")
        try:
            re.compile(pattern)
        except re.error:
            raise ExportError(f"The LoRA's option {name} has {pattern[:80]!r}, which is no pattern") from None


def _settings(options: Mapping[str, Any]) -> PeftSettings:
    """Raises ExportError for an option that is not supported, KeyError and ValueError for nonsense."""
    if not options:
        return NONE
    kind = options.get("peft_type", "LORA")
    if kind not in KINDS:
        raise ExportError(f"PEFT's {kind} is not supported; known: {', '.join(KINDS)}")
    unknown = ("lora_bias", *(["rank_pattern"] if kind == "LOKR" else []))
    if refused := [name for name in unknown if options.get(name)]:
        raise ExportError(f"The LoRA's option {refused[0]} is not supported")
    begun = options.get("init_lora_weights")
    if isinstance(begun, str) and begun.startswith(BASE_CHANGED):
        raise ExportError(
            f"The LoRA's base was changed when its training began (init_lora_weights is {begun[:40]!r}): "
            "save it with PEFT's path_initial_model_for_weight_conversion"
        )
    for name in ("alpha_pattern", "rank_pattern"):
        _check_patterns(name, options.get(name) or {})
    alphas = {key: float(value) for key, value in (options.get("alpha_pattern") or {}).items()}
    rank = float(options["r"]) if kind != "LORA" else None
    if rank is not None and not rank >= 1:
        raise ValueError(f"r is {rank}")
    return PeftSettings(
        alpha=float(options["lora_alpha" if kind == "LORA" else "alpha"]),
        rank=rank,
        rslora=bool(options.get("use_rslora")),
        dora=bool(options.get("use_dora")),
        alphas=alphas,
    )
