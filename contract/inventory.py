"""What a Triton can draw with: models, and characters of each. Its answer to who sends it orders."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contract.memory import refusals
from contract.names import DENOISER, PARTS, network_name, split_network_name
from contract.repositories import CONFIG_FILE, find_network, what_is_missing

MAX_SENTENCE = 300  # characters


class BadInventory(Exception):
    """A text is no inventory."""


@dataclass(frozen=True)
class ModelStock:
    characters: frozenset[str]  # that have weights for it
    too_large: Mapping[str, str] = field(default_factory=dict)
    """Sizes (1024x1024) whose pictures do not fit the memory, and why: a sentence for clients."""


Inventory = Mapping[str, ModelStock]  # by model


def inventory_to_json(inventory: Inventory) -> str:
    return json.dumps(
        {
            name: {"characters": sorted(one.characters), "too_large": dict(one.too_large)}
            for name, one in inventory.items()
        }
    )


def read_inventory(text: bytes) -> Inventory:
    """Raises BadInventory."""
    try:
        return {
            str(name): ModelStock(
                frozenset(map(str, one["characters"])),
                {str(size): str(why)[:MAX_SENTENCE] for size, why in one["too_large"].items()},
            )
            for name, one in json.loads(text).items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadInventory(f"{type(error).__name__}: {error}") from None


def take_stock(folders: Sequence[Path], is_ready: Callable[[str], bool], memory: int) -> Inventory:
    """`folders`: the model repositories; `is_ready`: whether Triton has loaded the network of that name;
    `memory`: bytes that all together may take."""
    names = {config.parent.name for folder in folders for config in folder.glob(f"*/{CONFIG_FILE}")}
    networks = [found for name in names if (found := split_network_name(name)) and found.part == DENOISER]
    models = [
        one.model
        for one in networks
        if not one.character
        and not what_is_missing(folders, one.model)
        and all(is_ready(network_name(one.model, part)) for part in PARTS)
    ]
    too_large = refusals(folders, models, memory)
    return {
        model: ModelStock(
            frozenset(
                one.character
                for one in networks
                if one.model == model and one.character and find_network(folders, str(one))
            ),
            too_large[model],
        )
        for model in models
    }
