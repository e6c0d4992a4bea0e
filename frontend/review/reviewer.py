"""The client of the ACS reviewer. Whatever is not a clean verdict is no verdict, and no verdict is no URL."""

import asyncio
import json
import logging
import time
from datetime import UTC, datetime

import aiohttp
import msgspec

from contract.acs import MAX_ANSWER_BYTES, MAX_VERSION, REVIEWS_PATH, VERSION_HEADER, Review, ReviewRequest
from frontend.common.bounded_read import read_bounded
from frontend.common.tracer import trace_headers
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

    async def review(self, order: ReviewRequest) -> Verdict | None:
        """Of the bytes that `order.sha256` names. None: no verdict, for whatever reason."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                judged, version = await self._ask(msgspec.json.encode(order))
            if judged.sha256 != order.sha256:
                raise NoVerdict("on other bytes")
        except (NoVerdict, aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            reason = error if isinstance(error, NoVerdict) else type(error).__name__
            log.warning("no verdict: gen_id=%s %s", order.gen_id, reason)
            return None
        return Verdict(
            compliance=judged.compliance,
            codes=judged.codes,
            categories=judged.categories,
            sha256=judged.sha256,
            ruleset=order.ruleset,
            ruleset_version=version,
            when=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            took_ms=round((time.monotonic() - started) * 1000, 1),
        )

    async def ready(self) -> bool:
        """Whether anything answers there. Raises aiohttp.ClientError where nothing does."""
        url = self._url.removesuffix(REVIEWS_PATH) + "/healthz"
        async with self._session.get(url, allow_redirects=False) as response:
            return response.status < 500

    async def _ask(self, body: bytes) -> tuple[Review, str]:
        """And the ruleset's version, "" where the reviewer tells none."""
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", **trace_headers()}
        async with self._session.post(
            self._url, data=body, headers=headers, allow_redirects=False
        ) as response:
            if response.status != 200:
                raise NoVerdict(f"status {response.status}")
            if response.content_type != "application/json":
                raise NoVerdict("not JSON")
            version = response.headers.get(VERSION_HEADER, "")[:MAX_VERSION]
            answer = await read_bounded(response, MAX_ANSWER_BYTES)
        return _read(answer), version


def _read(answer: bytes) -> Review:
    try:
        review = msgspec.json.decode(answer, type=Review)
    except msgspec.DecodeError:
        raise NoVerdict("not the shape of a verdict") from None
    # Readers differ in which of two they take, msgspec's says nothing. The shape bounds the depth.
    json.loads(answer, object_pairs_hook=_once_each)
    return review


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NoVerdict("a key stands twice")
    return found
