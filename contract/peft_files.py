"""Where the settings of a LoRA are that PEFT wrote: in a file beside it."""

from collections.abc import Iterable
from pathlib import Path

ADAPTER_FILE = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
"""PEFT's own name of the LoRA."""
PEFT_PREFIX = "base_model.model."


def settings_of_copy(lora: Path) -> Path:
    """Where a copy's settings are: many copies share a folder."""
    return lora.with_name(f"{lora.stem}.{ADAPTER_FILE}")


def is_peft(lora: Path, keys: Iterable[str]) -> bool:
    """Whether PEFT itself wrote it: another file may lie beside one that it wrote."""
    return lora.name == ADAPTER_WEIGHTS or any(key.startswith(PEFT_PREFIX) for key in keys)


def find_settings(lora: Path, keys: Iterable[str]) -> Path | None:
    """`keys`: of the LoRA."""
    own, shared = settings_of_copy(lora), lora.with_name(ADAPTER_FILE)
    if own.is_file():
        return own
    return shared if is_peft(lora, keys) and shared.is_file() else None
