"""What a Triton can draw with, and how busy it is: its answer to who sends it orders."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contract.bank import BANK_FILE, FACTORS_FILE
from contract.description import BadDescription, Description
from contract.memory import pictures_at_once, refusals
from contract.names import DENOISER, NetworkName, network_name, split_network_name
from contract.repositories import (
    CONFIG_FILE,
    find_description,
    find_factors,
    find_network,
    read_hashes,
    what_is_missing,
)
from contract.runtimes import RUNTIME

MAX_SENTENCE = 300  # characters
MAX_ORDERS = 64  # that one Triton works on at a time, whatever they are


class BadInventory(Exception):
    """A text is no inventory."""


@dataclass(frozen=True)
class ModelStock:
    characters: frozenset[str]  # that have weights for it
    too_large: Mapping[str, str] = field(default_factory=dict)
    """Sizes (1024x1024) whose pictures do not fit the memory, and why: a sentence for clients."""
    runtimes: Mapping[str, str] = field(default_factory=dict)
    """What runs its parts, by network, as far as they tell."""
    loaded: frozenset[str] = frozenset()  # characters whose denoiser is in memory
    at_once: int = MAX_ORDERS  # orders of it alone that this Triton can hold at a time
    orders: int = 0  # that it works on, whoever sent them
    styles: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the LoRAs that its bank can hold for styles, by style."""
    flow: bool = False  # whether it is known to be a flow model, which not every sampler draws
    negatives: bool = True  # whether a negative prompt has an effect, as far as is known
    emphasis: bool = True  # whether a word's weight, (word:1.3), has one, likewise


Inventory = Mapping[str, ModelStock]  # by model


def inventory_to_json(inventory: Inventory) -> str:
    return json.dumps(
        {
            name: {
                "characters": sorted(one.characters),
                "too_large": dict(one.too_large),
                "runtimes": dict(one.runtimes),
                "loaded": sorted(one.loaded),
                "at_once": one.at_once,
                "orders": one.orders,
                "styles": dict(one.styles),
                "flow": one.flow,
                "negatives": one.negatives,
                "emphasis": one.emphasis,
            }
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
                {
                    str(network): runtime
                    for network, runtime in one.get("runtimes", {}).items()
                    if RUNTIME.fullmatch(runtime)
                },
                frozenset(map(str, one.get("loaded", ()))),
                min(max(int(one.get("at_once", MAX_ORDERS)), 1), MAX_ORDERS),
                max(int(one.get("orders", 0)), 0),
                {str(style): str(lora) for style, lora in one.get("styles", {}).items()},
                one.get("flow") is True,
                one.get("negatives") is not False,
                one.get("emphasis") is not False,
            )
            for name, one in json.loads(text).items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadInventory(f"{type(error).__name__}: {error}") from None


def take_stock(
    folders: Sequence[Path],
    is_ready: Callable[[str], bool],
    memory: int,
    runtime_of: Callable[[str], str] = lambda network: "",
    orders: Mapping[str, int] | None = None,
) -> Inventory:
    """`folders`: the model repositories; `is_ready`: whether Triton has loaded the network of that name;
    `memory`: bytes that all together may take; `runtime_of`: what runs a network, "" where it does not
    tell; `orders`: that are worked on, by model."""
    names = {
        path.parent.name
        for folder in folders
        for file in (CONFIG_FILE, FACTORS_FILE)
        for path in folder.glob(f"*/{file}")
    }
    networks = [found for name in names if (found := split_network_name(name)) and found.part == DENOISER]
    described = {
        one.model: description
        for one in networks
        if one.is_base
        and not what_is_missing(folders, one.model)
        and (description := _described(folders, one.model))
        and all(is_ready(network_name(one.model, part)) for part in description.family.part_names)
    }
    models = list(described)
    too_large, at_once = refusals(folders, models, memory), pictures_at_once(folders, models, memory)
    characters = {
        model: frozenset(
            one.character
            for one in networks
            if one.model == model and one.character and _can_draw(folders, one)
        )
        for model in models
    }
    return {
        model: ModelStock(
            characters[model],
            too_large[model],
            {
                name: runtime
                for part in described[model].family.part_names
                if (runtime := runtime_of(name := network_name(model, part)))
            },
            frozenset(one for one in characters[model] if is_ready(network_name(model, DENOISER, one))),
            min(at_once[model], MAX_ORDERS),
            (orders or {}).get(model, 0),
            {
                one.style: read_hashes(factors.parent).get("lora", "")
                for one in networks
                if one.model == model and one.style and (factors := _banked(folders, one))
            },
            described[model].diffusion.prediction == "flow",
            described[model].has_negative,
            described[model].has_emphasis,
        )
        for model in models
    }


def _described(folders: Sequence[Path], model: str) -> Description | None:
    """None where its files have just gone."""
    try:
        return find_description(folders, model)
    except BadDescription:
        return None


def _can_draw(folders: Sequence[Path], character: NetworkName) -> bool:
    """With networks of its own, or with the model's bank, if there are both that and factors for it."""
    return _banked(folders, character) is not None or find_network(folders, str(character)) is not None


def _banked(folders: Sequence[Path], adapted: NetworkName) -> Path | None:
    """The factors for the model's bank, if there are both."""
    base = find_network(folders, network_name(adapted.model, DENOISER))
    return find_factors(folders, adapted) if base and (base / BANK_FILE).is_file() else None
