"""Keeps the catalogue to what the Tritons can draw with, as far as they have told."""

import asyncio
import logging
from typing import Protocol

from contract.inventory import Inventory
from frontend.catalogue.catalogue import Catalogue, Lacking
from frontend.catalogue.live_catalogue import LiveCatalogue
from frontend.common.supervised import SupervisedLoop

log = logging.getLogger(__name__)
LOOK_EVERY_S = 2.0


class TellsInventory(Protocol):
    async def inventories(self) -> list[Inventory | None]:
        """Of each Triton, always in the same order; None of one that does not tell."""
        ...


class StockWatch:
    """What a Triton told last counts while it is away, and what none has ever told is taken for there."""

    def __init__(
        self, tritons: TellsInventory, catalogue: LiveCatalogue, every_s: float = LOOK_EVERY_S
    ) -> None:
        self._tritons = tritons
        self._catalogue = catalogue
        self._every_s = every_s
        self._known: list[Inventory | None] = []

    async def watch(self) -> None:
        """Looks until cancelled."""
        await SupervisedLoop("what Triton has weights of is not watched", self._turn, log).run()

    async def _turn(self) -> None:
        await asyncio.sleep(self._every_s)
        await self.look()

    async def look(self) -> None:
        told = await self._tritons.inventories()
        before = self._known or [None] * len(told)
        self._known = [now if now is not None else last for now, last in zip(told, before, strict=True)]
        inventories = [one for one in self._known if one is not None]
        if len(inventories) == len(self._known):
            self._catalogue.withhold(_lacking(self._catalogue.declared, inventories))


def _lacking(declared: Catalogue, inventories: list[Inventory]) -> Lacking:
    """What no Triton has weights of, and what all that have the weights have too little memory for."""
    models = frozenset(
        name for name in declared.models if not any(name in inventory for inventory in inventories)
    )
    pairs = frozenset(
        (model, name)
        for name, character in declared.characters.items()
        for model in character.models
        if not any(model in one and name in one[model].characters for one in inventories)
    )
    too_large = {}
    for model in declared.models:
        refused = [one[model].too_large for one in inventories if model in one]
        for size, why in refused[0].items() if refused else ():
            if all(size in each for each in refused):
                too_large[model, size] = why
    return Lacking(models, pairs, too_large)
