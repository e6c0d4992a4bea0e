"""Watches the reviewer's rulesets: a picture that another version judged is not handed out again.

Beyond the ACS contract: a reviewer may list its rulesets under /v1/rulesets, each with a `version`, and name
the version in a header of its verdicts. With one that does not, a verdict stands until `imgen cache clear`.
"""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from redis.asyncio import Redis

from contract.acs import MAX_ANSWER_BYTES, RULESETS_PATH, RulesetList
from contract.redis_keys import RULESETS
from frontend.audit.scripts import with_audit
from frontend.common.bounded_read import read_bounded
from frontend.common.supervised import SupervisedLoop

log = logging.getLogger(__name__)
EVERY_S = 5.0
TIMEOUT_S = 5.0
GONE = "gone"
_SCRIPT = with_audit(Path(__file__).with_name("ruleset.lua").read_text())


class _Unavailable(OSError):
    """Why the list could not be read, without what a URL or an answer says."""


class Rulesets:
    def __init__(
        self, redis: "Redis", session: aiohttp.ClientSession, acs_url: str, every_s: float = EVERY_S
    ) -> None:
        self._redis = redis
        self._session = session
        self._url = f"{acs_url.rstrip('/')}{RULESETS_PATH}"
        self._every_s = every_s
        self._announce = redis.register_script(_SCRIPT)

    async def watch(self) -> None:
        """Until cancelled."""
        loop = SupervisedLoop(
            "the reviewer's rulesets cannot be watched", self._turn, log, pause_s=self._every_s
        )
        await loop.run()

    async def _turn(self) -> None:
        if (listed := await self._list()) is not None:
            await self._announce_changes(listed)
        await asyncio.sleep(self._every_s)

    async def _list(self) -> Mapping[str, str] | None:
        """Ruleset → version; None where this reviewer does not list them."""
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._session.get(self._url, allow_redirects=False) as answer,
            ):
                if answer.status in (404, 405, 501):
                    return None
                answer.raise_for_status()
                found = msgspec.json.decode(await read_bounded(answer, MAX_ANSWER_BYTES), type=RulesetList)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            raise _Unavailable(type(error).__name__) from None
        return {ruleset.name: ruleset.version for ruleset in found.rulesets}

    async def _announce_changes(self, listed: Mapping[str, str]) -> None:
        found: Any = await self._redis.hgetall(RULESETS)
        known = {name.decode(): version.decode() for name, version in found.items()}
        for name in known.keys() | listed.keys():
            version = listed.get(name, GONE)
            if known.get(name) != version:
                await self._announce(args=[name, version])
                log.info("ruleset %s is of version %s now", name, version or "(not told)")
