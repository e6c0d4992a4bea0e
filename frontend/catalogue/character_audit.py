"""Tells the audit log with which rights each character is offered, however it came into the catalogue."""

import asyncio
import logging

from frontend.audit.log import AuditLog
from frontend.catalogue.catalogue import Catalogue
from frontend.catalogue.live_catalogue import LiveCatalogue
from frontend.common.supervised import SupervisedLoop

log = logging.getLogger(__name__)
EVERY_S = 1.0


class CharacterAudit:
    def __init__(self, catalogue: LiveCatalogue, audit: AuditLog) -> None:
        self._catalogue = catalogue
        self._audit = audit
        self._told: Catalogue | None = None

    async def watch(self) -> None:
        """Until cancelled."""
        await SupervisedLoop("characters are not told to the audit log", self._turn, log).run()

    async def _turn(self) -> None:
        declared = self._catalogue.declared
        if declared is not self._told:
            for name, character in sorted(declared.characters.items()):
                told = {"rights": character.rights, "depicts": character.depicts or ""}
                await self._audit.character(name, {**told, "lora": character.lora})
            self._told = declared
        await asyncio.sleep(EVERY_S)
