"""Watches the reviewer's rulesets: a picture that another version judged is not handed out again.

Beyond the ACS contract: a reviewer may list its rulesets under /v1/rulesets, each with a `version`, and name
the version in a header of its verdicts. With one that does not, a verdict stands until `imgen cache clear`.
"""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import msgspec
from msgspec import Meta
from redis.asyncio import Redis

from frontend.cache.log import LOG, RULESETS
from frontend.common.outage_log import Trouble
from frontend.net.bounded_read import read_bounded
from frontend.review.reviewer import MAX_ANSWER_BYTES, MAX_VERSION
from frontend.settings import Settings

log = logging.getLogger(__name__)
EVERY_S = 5.0
TIMEOUT_S = 5.0
GONE = "gone"
_SCRIPT = Path(__file__).with_name("ruleset.lua").read_text()


class _Ruleset(msgspec.Struct, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    version: Annotated[str, Meta(max_length=MAX_VERSION)] = ""


class _List(msgspec.Struct, frozen=True):
    rulesets: Annotated[tuple[_Ruleset, ...], Meta(max_length=1_000)]


class Rulesets:
    def __init__(
        self, redis: "Redis", session: aiohttp.ClientSession, settings: Settings, every_s: float = EVERY_S
    ) -> None:
        self._redis = redis
        self._session = session
        self._url = f"{settings.acs_url.rstrip('/')}/v1/rulesets"
        self._every_s = every_s
        self._announce = redis.register_script(_SCRIPT)
        self._fault = Trouble(log, "the reviewer's rulesets cannot be watched")

    async def watch(self) -> None:
        """Until cancelled. No failure ends it."""
        while True:
            try:
                if (told := await self._told()) is not None:
                    await self._announced(told)
                self._fault.over()
            except Exception as error:
                self._fault.seen(type(error).__name__)
            await asyncio.sleep(self._every_s)

    async def _told(self) -> Mapping[str, str] | None:
        """Ruleset → version; None where this reviewer does not list them."""
        async with asyncio.timeout(TIMEOUT_S), self._session.get(self._url, allow_redirects=False) as answer:
            if answer.status in (404, 405, 501):
                return None
            answer.raise_for_status()
            found = msgspec.json.decode(await read_bounded(answer, MAX_ANSWER_BYTES), type=_List)
        return {ruleset.name: ruleset.version for ruleset in found.rulesets}

    async def _announced(self, told: Mapping[str, str]) -> None:
        found: Any = await self._redis.hgetall(RULESETS)
        known = {name.decode(): version.decode() for name, version in found.items()}
        for name in known.keys() | told.keys():
            version = told.get(name, GONE)
            if known.get(name) != version:
                await self._announce(keys=[LOG, RULESETS], args=[name, version])
                log.info("ruleset %s is of version %s now", name, version or "(not told)")
