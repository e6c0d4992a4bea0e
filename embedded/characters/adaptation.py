"""A LoRA for one model, as the catalogue declares it: a character's, or a style's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from contract.names import CHARACTER_PARTS, NetworkName
from frontend.catalogue.catalogue import Catalogue, Character


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    model: str
    lora: Path
    character: str = ""
    style: str = ""  # where it is none of a character
    strength: float = 1.0  # a style's goes with each order
    blocks: Mapping[str, float] = field(default_factory=dict)
    merged: bool = False

    @classmethod
    def of_character(cls, model: str, character: Character, lora: Path) -> Self:
        return cls(
            model=model,
            lora=lora,
            character=character.name,
            strength=character.strength,
            blocks=character.blocks,
            merged=character.merged,
        )

    @classmethod
    def all_of(cls, catalogue: Catalogue) -> list[Self]:
        characters = [
            cls.of_character(model, character, catalogue.lora(name))
            for name, character in catalogue.characters.items()
            for model in character.models
        ]
        styles = [
            cls(model=model.name, lora=catalogue.style_lora(model.name, style.name), style=style.name)
            for model in catalogue.models.values()
            for style in model.styles.values()
            if style.lora
        ]
        return [*characters, *styles]

    def __str__(self) -> str:
        return (
            f"@{self.character} of {self.model}" if self.character else f"style {self.style} of {self.model}"
        )

    def networks(self, repository: Path) -> list[Path]:
        """The folders that it may have there."""
        return [
            repository / str(NetworkName(self.model, part, self.character, self.style))
            for part in CHARACTER_PARTS
        ]
