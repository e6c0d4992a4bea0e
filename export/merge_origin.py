"""What a character is made over and of, and what is kept of how it was made: for merged networks and for a
bank's factors alike."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.bank import BANK_FILE
from contract.description import BadDescription, read_description
from contract.families import Family
from contract.names import (
    CHARACTER_PARTS,
    DENOISER,
    TEXT_ENCODER,
    network_name,
    split_network_name,
)
from contract.repositories import CONFIG_FILE, DESCRIPTION_FILE
from export.errors import ExportError
from export.graphs.storage import MODEL_FILE, PACKAGE_RECORD_FILE, PLAN_RECORD_FILE, read_graph_digest
from export.lora.keys import list_keys
from export.lora.lora_file import Lora
from export.lora.strength import Strength
from export.lora.targets import Root, text_encoder_roots

REPORT_FILE = "merge.json"
Check = Callable[[Path], None]


@dataclass(frozen=True)
class MergeReport:
    folder: Path
    layers: int  # of the LoRA
    notes: tuple[str, ...]  # what people should know of it
    written: bool  # False: the folder was already made of these files


def family_of_base(base: Path) -> Family:
    try:
        return read_description(base / DESCRIPTION_FILE).family
    except BadDescription as error:
        raise ExportError(f"{error}: export the model again") from None


def split_layers(lora: Lora, family: Family) -> tuple[list[str], list[str], Sequence[Root]]:
    """Names of the layers for the text encoder and for the denoiser, and the roots of the former. Raises
    ExportError for layers of a network that characters have none of their own of."""
    pairs = list(zip(family.text_encoders, text_encoder_roots(family), strict=True))
    for encoder, root in pairs:
        of_it = [name for name in lora.names if root.path_of(name) is not None]
        if of_it and encoder.part not in CHARACTER_PARTS:
            raise ExportError(
                f"The LoRA has {len(of_it):,} layers for {encoder.name}, such as {list_keys(of_it[:1])}, "
                "which all characters of a model share: train it without that text encoder"
            )
    roots = [root for _, root in pairs]
    of_text = [name for name in lora.names if any(root.path_of(name) is not None for root in roots)]
    roots = [root for encoder, root in pairs if encoder.part in CHARACTER_PARTS]
    return of_text, sorted(set(lora.names).difference(of_text)), roots


def text_encoder_of(denoiser: Path) -> Path:
    """eros-denoiser--aya → eros-text-encoder--aya, in the same repository."""
    name = split_network_name(denoiser.name)
    if name is None or name.part != DENOISER:
        raise ExportError(f"{denoiser} is no denoiser's folder: its name must be MODEL-denoiser")
    return denoiser.with_name(network_name(name.model, TEXT_ENCODER, name.character, name.style))


def origin_of(
    base: Path, lora: Path, settings: Path | None, strength: Strength, text: bool
) -> dict[str, Any]:
    """What decides a merge's outcome: SHA-256 of what is read (of a base, as its export noted it), and the
    strength."""
    return {
        "format": 7,
        "base": [
            read_graph_digest(base),
            *_digests(
                base / CONFIG_FILE, base / BANK_FILE, base / PLAN_RECORD_FILE, base / PACKAGE_RECORD_FILE
            ),
            *([read_graph_digest(text_encoder_of(base))] if text else []),
        ],
        "lora": _digests(lora, *([settings] if settings else [])),
        "strength": strength.whole,
        "blocks": dict(strength.blocks),
    }


def _digests(*paths: Path) -> list[str]:
    """Of each file that there is."""
    digests = []
    for path in filter(Path.is_file, paths):
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return digests


def must_have_base(base: Path) -> None:
    if (base / "1" / MODEL_FILE).is_file():
        return
    found = (split_network_name(path.parent.parent.name) for path in base.parent.glob(f"*/1/{MODEL_FILE}"))
    models = sorted({one.model for one in found if one and one.part == DENOISER and one.is_base})
    raise ExportError(
        f"There is no {base / '1' / MODEL_FILE}; models there: {', '.join(models) or 'none'}; "
        "`imgen export CHECKPOINT --name NAME` makes one"
    )


def read_report(target: Path, whole_files: tuple[str, ...] = (f"1/{MODEL_FILE}",)) -> dict[str, Any]:
    """What an earlier merge wrote of itself; empty if there was none that can be used."""
    try:
        made = json.loads((target / REPORT_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    whole = isinstance(made, dict) and all((target / file).is_file() for file in whole_files)
    if whole and made.get("text_encoder"):
        whole = (text_encoder_of(target) / "1" / MODEL_FILE).is_file()
    whole = whole and isinstance(made.get("layers"), int) and isinstance(made.get("notes"), list)
    return made if whole else {}
