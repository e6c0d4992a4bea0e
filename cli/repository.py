"""Which model repository an export writes to."""

from pathlib import Path

from cli.errors import UserError
from contract.names import DENOISER, network_name
from contract.repositories import CONFIG_FILE
from frontend.settings import ROOT, Settings

OURS = ("demo", "model_repository")
"""Folders of the program itself; nothing that a user makes belongs there."""


def choose_output(settings: Settings, given: Path | None, name: str) -> Path:
    """What was `given`, else the operator's own repository, else one in the data folder.

    Raises UserError for the program's own folders, and where another model of that name would be served, too.
    """
    operators, own = settings.models_dir, settings.data_dir / "models"
    output = given or (own if _is_ours(operators) else operators)
    if _is_ours(output):
        raise UserError(f"--output {output}: that is a part of the program; name a folder of your own")
    taken = operators / network_name(name, DENOISER) / CONFIG_FILE
    if output.resolve() == own.resolve() != operators.resolve() and taken.is_file():
        raise UserError(
            f"--name {name}: {operators} has a model of that name; choose another one, or name a folder of "
            "your own in --output"
        )
    return output


def _is_ours(folder: Path) -> bool:
    return any(folder.resolve().is_relative_to(ROOT / name) for name in OURS)
