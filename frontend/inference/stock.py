"""Keeps the catalogue to what the Tritons can draw with, as far as they have told."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from contract.inventory import Inventory
from contract.samplers import USUAL, Sampling
from frontend.catalogue.catalogue import Catalogue, Lacking, StepSettings
from frontend.catalogue.live_catalogue import LiveCatalogue
from frontend.common.supervised import SupervisedLoop

log = logging.getLogger(__name__)
LOOK_EVERY_S = 2.0


class TellsInventory(Protocol):
    async def inventories(self) -> Mapping[str, Inventory | None]:
        """Of each Triton that there is, by its address; None of one that does not tell."""
        ...


class StockWatch:
    """What a Triton told last counts while it is away, and what none has ever told is taken for there."""

    def __init__(
        self, tritons: TellsInventory, catalogue: LiveCatalogue, every_s: float = LOOK_EVERY_S
    ) -> None:
        self._tritons = tritons
        self._catalogue = catalogue
        self._every_s = every_s
        self._known: Mapping[str, Inventory | None] = {}
        self._told = dict[str, list[str]]()

    async def watch(self) -> None:
        """Looks until cancelled."""
        await SupervisedLoop("what Triton has weights of is not watched", self._turn, log).run()

    async def look_for_the_first_time(self) -> None:
        """Where none has told anything yet, as while Triton and this server start side by side."""
        if not any(one is not None for one in self._known.values()):
            await self.look()

    async def _turn(self) -> None:
        await asyncio.sleep(self._every_s)
        await self.look()

    @property
    def runtimes(self) -> Mapping[str, list[str]]:
        """What runs each network: one runtime, or those of several Tritons that do not agree."""
        told: dict[str, set[str]] = {}
        for inventory in filter(None, self._known.values()):
            for stock in inventory.values():
                for network, runtime in stock.runtimes.items():
                    told.setdefault(network, set()).add(runtime)
        return {network: sorted(runtimes) for network, runtimes in sorted(told.items())}

    @property
    def warning(self) -> str:
        """Where one seed draws two pictures, by the Triton that takes the order; "" where it does not."""
        differing = [name for name, runtimes in self.runtimes.items() if len(runtimes) > 1]
        if not differing:
            return ""
        runtimes = " and ".join(self.runtimes[differing[0]])
        return (
            f"Tritons draw one seed in different ways: {', '.join(differing)} in {runtimes}; give all of "
            "them the same IMGEN_CPU_RUNTIME and IMGEN_CPU_PRECISION"
        )

    async def look(self) -> None:
        told = await self._tritons.inventories()
        self._known = {
            name: now if now is not None else self._known.get(name) for name, now in told.items()
        } or self._known
        inventories = [one for one in self._known.values() if one is not None]
        if len(inventories) == len(self._known):
            self._catalogue.withhold(_lacking(self._catalogue.declared, inventories))
            self._tell_runtimes()

    def _tell_runtimes(self) -> None:
        """Whenever they are others than before."""
        if self.runtimes == self._told:
            return
        self._told = dict(self.runtimes)
        log.info(
            "networks run in: %s", "; ".join(f"{name} {', '.join(each)}" for name, each in self._told.items())
        )
        if self.warning:
            log.warning("%s", self.warning)


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
    styles = {
        (model, name): {
            one[model].styles[name] for one in inventories if model in one and name in one[model].styles
        }
        for model, each in declared.models.items()
        for name, style in each.styles.items()
        if style.lora
    }
    return Lacking(
        models,
        pairs,
        too_large,
        frozenset(pair for pair, loras in styles.items() if not loras),
        {pair: " ".join(sorted(loras)) for pair, loras in styles.items() if loras},
        {
            (model, name): why
            for model, each in declared.models.items()
            if any(model in one and one[model].flow for one in inventories)
            for name, style in each.styles.items()
            if (why := _why_not_of_flow(each.step_settings(style)))
        },
        frozenset(
            model
            for model in declared.models
            if any(model in one and not one[model].negatives for one in inventories)
        ),
        frozenset(
            model
            for model in declared.models
            if any(model in one and not one[model].emphasis for one in inventories)
        ),
    )


def _why_not_of_flow(settings: StepSettings) -> str:
    """Why a flow model cannot be drawn so; "" where it can."""
    try:
        Sampling(settings.sampler or USUAL.sampler, settings.spacing).check_flow()
    except ValueError as error:
        return str(error)
    return ""
