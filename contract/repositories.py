"""Triton's model repositories: folders of models, each with a config.pbtxt."""

from collections.abc import Sequence
from pathlib import Path

from contract.names import is_character

CONFIG_FILE = "config.pbtxt"
HASHES_FILE = "weights.json"
"""In a denoiser's folder: SHA-256 of what runs and what it was made of, for the pictures' credentials."""
DESCRIPTION_FILE = "pipeline.json"
"""In a denoiser's folder: contract/description.py."""
TOKENIZER_FILE = "tokenizer.json"
"""In a folder for each tokenizer, within the text encoder's."""


class BadRepositories(Exception):
    """One line that names the folders."""


def base_models(folders: Sequence[Path]) -> list[str]:
    """Names of the models that Triton loads at start, sorted: all but characters.

    Raises BadRepositories where a folder is missing or a model stands in two of them.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise BadRepositories(f"model repository {folder} does not exist")
        for config in sorted(folder.glob(f"*/{CONFIG_FILE}")):
            name = config.parent.name
            if name in found:
                raise BadRepositories(f"model {name} is both in {found[name]} and in {folder}")
            found[name] = folder
    return sorted(name for name in found if not is_character(name))
