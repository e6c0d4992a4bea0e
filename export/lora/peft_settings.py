"""PEFT's settings of an adapter, where its alpha is: in a LoRA (diffusers) or beside it (PEFT itself)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from export.errors import ExportError

ADAPTER_FILE = "adapter_config.json"
PREFIX = "base_model.model."
NETWORK = re.compile(r"(?:unet|text_encoder(?:_\d+)?)\.")
"""Of each, diffusers keeps the settings apart."""
KINDS = ("LORA", "LOHA", "LOKR")
PLAIN = re.compile(r"\^?[\w.\\]{1,300}\$?")
"""A pattern of module names without repetition, so that no file can make matching slow."""


@dataclass(frozen=True)
class PeftSettings:
    alpha: float | None = None
    rank: float | None = None
    rslora: bool = False
    dora: bool = False
    alphas: Mapping[str, float] = field(default_factory=dict)  # by pattern of a module's path

    def alpha_of(self, name: str, rank: int) -> float:
        """PEFT takes the first pattern that a module's path ends with."""
        network = NETWORK.match(name)
        path = name.removeprefix(network[0] if network else PREFIX)
        for pattern, alpha in self.alphas.items():
            if re.match(rf"(.*\.)?({pattern})$", path):
                return alpha
        return rank if self.alpha is None else self.alpha

    def whole_scale(self, name: str) -> float:
        """Of a change that has no rank: PEFT divides by the settings' one, others do not scale at all."""
        return 1.0 if self.rank is None else self.alpha_of(name, int(self.rank)) / self.rank


NONE = PeftSettings()


def settings_of(metadata: Mapping[str, str], path: Path, keys: list[str]) -> dict[str, PeftSettings]:
    """By how the keys begin that they are for. `path`, `keys`: the file and what is in it."""
    try:
        if "lora_adapter_metadata" in metadata:
            given = json.loads(metadata["lora_adapter_metadata"])
            parts = {found[0] for key in given if (found := NETWORK.match(key))}
            return {part: _settings(_part_of(given, part)) for part in parts}
        if keys[0].startswith(PREFIX):
            return {PREFIX: _settings(json.loads((path.parent / ADAPTER_FILE).read_bytes()))}
        return {}
    except FileNotFoundError:
        raise ExportError(f"{path.name} needs the {ADAPTER_FILE} that PEFT wrote beside it") from None
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ExportError(f"{path.name}: its PEFT settings cannot be read ({error!r})") from None


def _part_of(given: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {key.removeprefix(part): value for key, value in given.items() if key.startswith(part)}


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
    alphas = {str(key): float(value) for key, value in (options.get("alpha_pattern") or {}).items()}
    if wrong := [key for key in alphas if not PLAIN.fullmatch(key)]:
        raise ExportError(f"The LoRA's option alpha_pattern has {wrong[0][:80]!r}, which is no module's name")
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
