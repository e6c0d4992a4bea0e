"""A character's file in the folder of those that were added, and what `imgen character list` tells of it."""

import msgspec

from contract.acs import Depiction, Depicts
from frontend.catalogue.catalogue import Character
from frontend.catalogue.yaml_file import to_struct


class CharacterDeclaration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the file says; see frontend.catalogue.catalogue.Character."""

    label: str
    models: tuple[str, ...]
    trigger: str
    lora: str
    rights: str
    depicts: Depiction
    strength: float = 1.0
    blocks: dict[str, float] = {}
    merged: bool = False
    positive: str = ""
    negative: str = ""

    def character(self, name: str) -> Character:
        """As the server will read it. Raises CatalogueError, which names the key and what is expected."""
        return to_struct(f"@{name}", {**msgspec.to_builtins(self), "name": name}, Character)


class CharacterRow(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    label: str
    models: tuple[str, ...]
    trigger: str
    rights: str
    depicts: Depicts  # "" where it is not recorded
    strength: float
    lora: str
    lora_sha256: str  # empty where the file is gone
    kinds: dict[str, str]  # by model: bank, or merged into networks of its own
    compared: bool  # whether torch drew the same with it, for every model, when it was merged
