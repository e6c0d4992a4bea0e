"""Triton's model repositories: folders of models, each with a config.pbtxt."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contract.bank import FACTORS_FILE
from contract.description import BadDescription, Description, read_description
from contract.names import (
    COMMON_PARTS,
    DENOISER,
    NetworkName,
    is_character,
    network_name,
    split_network_name,
)

CONFIG_FILE = "config.pbtxt"
HASHES_FILE = "weights.json"
"""In a denoiser's folder: SHA-256 of what runs and what it was made of, for the pictures' credentials."""
MAX_HASHES = 4096  # bytes
DESCRIPTION_FILE = "pipeline.json"
"""In a denoiser's folder: contract/description.py."""
TOKENIZER_FILE = "tokenizer.json"
"""In a folder for each tokenizer, within the text encoder's."""


class BadRepositories(Exception):
    """One line that names the folders."""


def repositories_of(environ: Mapping[str, str], own: Path) -> list[Path]:
    """As a model within Triton finds them: IMGEN_MODEL_REPOSITORIES, else where `own`, its folder, lies."""
    listed = environ.get("IMGEN_MODEL_REPOSITORIES", "")
    return [Path(item) for item in listed.split(os.pathsep) if item] or [own.parent]


def find_network(folders: Sequence[Path], name: str) -> Path | None:
    """The folder of a network that Triton can load: it has a config.pbtxt and something in it to run."""
    found = (folder / name for folder in folders)
    return next((path for path in found if (path / CONFIG_FILE).is_file() and any(path.glob("1/*"))), None)


def batch_size(network: Path) -> int:
    """How many samples the network in this folder takes at a time."""
    config = (network / CONFIG_FILE).read_text(errors="replace")
    found = re.search(r"^max_batch_size: *(\d+)", config, re.MULTILINE)
    return max(int(found[1]), 1) if found else 1


def find_factors(folders: Sequence[Path], adapted: NetworkName) -> Path | None:
    """The file of a character's or a style's factors, where it is drawn with the model's bank."""
    found = (folder / str(adapted) / FACTORS_FILE for folder in folders)
    return next((path for path in found if path.is_file()), None)


def read_hashes(network: Path) -> Mapping[str, str]:
    """As the export wrote them into a denoiser's folder; none in one of another origin."""
    try:
        with (network / HASHES_FILE).open() as file:
            hashes = json.loads(file.read(MAX_HASHES))
    except (OSError, ValueError):
        return {}
    return {str(role): str(one) for role, one in hashes.items()} if isinstance(hashes, dict) else {}


def what_is_missing(folders: Sequence[Path], model: str) -> str:
    """Why a model cannot be drawn with, as far as its files say it; "" where they say nothing."""
    if lacking := _lacking(folders, model, COMMON_PARTS):
        return lacking
    try:
        described = find_description(folders, model)
    except BadDescription as error:
        return str(error)
    if described is None:
        return f"{network_name(model, DENOISER)} has no weights"
    if lacking := _lacking(folders, model, described.family.part_names):
        return lacking
    for one in described.family.text_encoders:
        encoder = network_name(model, one.part)
        found = find_network(folders, encoder)
        if found is None or not (found / one.tokenizer / TOKENIZER_FILE).is_file():
            return f"{encoder} has no {one.tokenizer}/{TOKENIZER_FILE}"
    return ""


def _lacking(folders: Sequence[Path], model: str, parts: Sequence[str]) -> str:
    names = (network_name(model, part) for part in parts)
    return next((f"{name} has no weights" for name in names if find_network(folders, name) is None), "")


def find_description(folders: Sequence[Path], model: str) -> Description | None:
    """None where the model's denoiser has no weights. Raises BadDescription."""
    denoiser = find_network(folders, network_name(model, DENOISER))
    return read_description(denoiser / DESCRIPTION_FILE) if denoiser else None


def networks_of(folders: Sequence[Path], model: str) -> tuple[str, ...]:
    """Triton's names of a model's own networks. Raises BadDescription where they cannot be told."""
    described = find_description(folders, model)
    if described is None:
        raise BadDescription(f"{network_name(model, DENOISER)} has no weights")
    return tuple(network_name(model, part) for part in described.family.part_names)


@dataclass(frozen=True)
class BaseModels:
    names: tuple[str, ...]  # what Triton loads at start, sorted: all but characters' networks
    faults: Mapping[str, str]  # models that cannot be drawn with, and why: one line that names files


def base_models(folders: Sequence[Path]) -> BaseModels:
    """Raises BadRepositories where a folder is missing, or a model of our own stands in two of them."""
    places: dict[str, list[Path]] = {}
    for folder in folders:
        if not folder.is_dir():
            raise BadRepositories(f"model repository {folder} does not exist")
        for config in sorted(folder.glob(f"*/{CONFIG_FILE}")):
            places.setdefault(config.parent.name, []).append(folder)
    names: list[str] = []
    faults: dict[str, str] = {}
    for name, homes in places.items():
        if is_character(name):
            continue
        network = split_network_name(name)
        twice = f"{name} is both in {homes[0]} and in {homes[-1]}: remove one" if len(homes) > 1 else ""
        if twice and network is None:
            raise BadRepositories(f"model {twice}")
        if network is None or (not twice and find_network(folders, name)):
            names.append(name)
        if network and (twice or network.part == DENOISER):
            faults.setdefault(network.model, twice or what_is_missing(folders, network.model))
    return BaseModels(tuple(sorted(names)), {name: fault for name, fault in faults.items() if fault})
