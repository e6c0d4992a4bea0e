"""Where the networks of models and characters lie on this machine."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from contract.names import CHARACTER_PARTS, DENOISER, network_name
from contract.repositories import CONFIG_FILE

HIDDEN_CONFIG_FILE = f"{CONFIG_FILE}.left-out"


@dataclass(frozen=True)
class NetworkFolders:
    models: Path
    """Repository of the base models."""
    merged: Path
    """Repository of the characters' networks, and of the models that were exported into the data folder."""

    def base_of(self, model: str) -> Path:
        """The repository that has the model's networks, or would have them."""
        exported = self.merged / network_name(model, DENOISER) / CONFIG_FILE
        return self.merged if exported.is_file() else self.models

    def has_weights(self, model: str) -> bool:
        return (self.base_of(model) / network_name(model, DENOISER) / CONFIG_FILE).is_file()

    def hide(self, model: str, character: str) -> None:
        """From Triton, which takes a folder without its config for none. The weights are kept."""
        for network in self._of(model, character):
            with contextlib.suppress(FileNotFoundError):
                (network / CONFIG_FILE).rename(network / HIDDEN_CONFIG_FILE)

    def show(self, model: str, character: str) -> None:
        for network in self._of(model, character):
            with contextlib.suppress(FileNotFoundError):
                (network / HIDDEN_CONFIG_FILE).rename(network / CONFIG_FILE)

    def _of(self, model: str, character: str) -> list[Path]:
        return [self.merged / network_name(model, part, character) for part in CHARACTER_PARTS]
