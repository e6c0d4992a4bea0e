"""Where the networks of models and characters lie on this machine."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from contract.bank import FACTORS_FILE
from contract.names import DENOISER, network_name
from contract.repositories import CONFIG_FILE
from embedded.characters.adaptation import Adaptation

HIDDEN = ".left-out"
SHOWN = (CONFIG_FILE, FACTORS_FILE)
"""What makes a folder a network for Triton, or a character or a style for a model's bank."""


@dataclass(frozen=True)
class NetworkFolders:
    models: Path
    """Repository of the base models."""
    merged: Path
    """Repository of the characters' networks, of what banks hold, and of the models that were exported into
    the data folder."""

    def base_of(self, model: str) -> Path:
        """The repository that has the model's networks, or would have them."""
        exported = self.merged / network_name(model, DENOISER) / CONFIG_FILE
        return self.merged if exported.is_file() else self.models

    def uses_bank(self, model: str, character: str) -> bool:
        return (self.merged / network_name(model, DENOISER, character) / FACTORS_FILE).is_file()

    def has_weights(self, model: str) -> bool:
        return (self.base_of(model) / network_name(model, DENOISER) / CONFIG_FILE).is_file()

    def hide(self, adaptation: Adaptation) -> None:
        """From Triton, which takes a folder without these files for none. The weights are kept."""
        for path in self._shown(adaptation):
            with contextlib.suppress(FileNotFoundError):
                path.rename(path.with_name(path.name + HIDDEN))

    def show(self, adaptation: Adaptation) -> None:
        for path in self._shown(adaptation):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + HIDDEN).rename(path)

    def _shown(self, adaptation: Adaptation) -> list[Path]:
        return [folder / name for folder in adaptation.networks(self.merged) for name in SHOWN]
