"""The client of the ACS reviewer. Whatever is not a clean verdict is no verdict, and no verdict is no URL."""

import asyncio
import logging
import time
from datetime import UTC, datetime

import aiohttp
import msgspec

from contract.acs import MAX_ANSWER_BYTES, MAX_VERSION, REVIEWS_PATH, VERSION_HEADER, Review, ReviewRequest
from frontend.common.bounded_read import read_bounded
from frontend.domain.verdict import Verdict

log = logging.getLogger(__name__)


class NoVerdict(Exception):
    """Why there is none, for the log: no URL, no prompt, nothing that the reviewer wrote."""


class Reviewer:
    """Asks once: a later poll asks again. `session` is shared and stays open."""

    def __init__(self, url: str, timeout_s: float, session: aiohttp.ClientSession) -> None:
        self._url = f"{url.rstrip('/')}{REVIEWS_PATH}"
        self._timeout_s = timeout_s
        self._session = session

    async def review(self, order: ReviewRequest, sha256: str) -> Verdict | None:
        """`sha256` is that of the bytes behind `order.image_url`. None: no verdict, for whatever reason."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                judged, version = await self._ask(msgspec.json.encode(order))
        except (NoVerdict, aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            reason = error if isinstance(error, NoVerdict) else type(error).__name__
            log.warning("no verdict: gen_id=%s %s", order.gen_id, reason)
            return None
        return Verdict(
            compliance=judged.compliance,
            codes=judged.codes,
            categories=judged.categories,
            sha256=sha256,
            ruleset=order.ruleset,
            ruleset_version=version,
            when=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            took_ms=round((time.monotonic() - started) * 1000, 1),
        )

    async def ready(self) -> bool:
        """Whether anything answers there. Raises aiohttp.ClientError where nothing does."""
        async with self._session.get(self._url.removesuffix(REVIEWS_PATH) + "/healthz") as response:
            return response.status < 500

    async def _ask(self, body: bytes) -> tuple[Review, str]:
        """And the ruleset's version, "" where the reviewer tells none."""
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        async with self._session.post(
            self._url, data=body, headers=headers, allow_redirects=False
        ) as response:
            if response.status != 200:
                raise NoVerdict(f"status {response.status}")
            if response.content_type != "application/json":
                raise NoVerdict("not JSON")
            version = response.headers.get(VERSION_HEADER, "")[:MAX_VERSION]
            answer = await read_bounded(response, MAX_ANSWER_BYTES)
        try:
            return msgspec.json.decode(answer, type=Review), version
        except msgspec.DecodeError:
            raise NoVerdict("not the shape of a verdict") from None
