"""The client of the ACS reviewer. Whatever is not a clean verdict is no verdict, and no verdict is no URL."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Annotated, Literal

import aiohttp
import msgspec
from msgspec import Meta

from frontend.net.bounded_read import read_bounded
from frontend.settings import Settings

MAX_ANSWER_BYTES = 64 << 10
VERSION = "Ruleset-Version"  # a header, since the body's fields are agreed upon
MAX_VERSION = 100  # characters

log = logging.getLogger(__name__)
_Text = Annotated[str, Meta(min_length=1, max_length=200)]


class ReviewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /v1/reviews. `image_url` is signed: it never goes to a log."""

    gen_id: str
    image_url: str
    ruleset: str
    prompt: str
    positive: str
    negative: str
    character: str
    model: str
    precompliance: str


class Category(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: _Text
    name: _Text


class _Judged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Raises ValueError for a verdict that contradicts itself."""

    compliance: Literal["safe", "unsafe"]
    codes: Annotated[tuple[_Text, ...], Meta(max_length=200)]
    categories: Annotated[tuple[Category, ...], Meta(max_length=200)]

    def __post_init__(self) -> None:
        if self.compliance == "safe" and (self.codes or self.categories):
            raise ValueError("safe, and yet flagged")
        if self.compliance == "unsafe" and not self.categories:
            raise ValueError("unsafe, and no category")


class Verdict(_Judged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the reviewer said of one picture's exact bytes. Stored as JSON."""

    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]  # of the picture's final bytes
    ruleset: str
    ruleset_version: str = ""  # as the reviewer calls it; "" where it says none
    when: str  # RFC 3339, UTC
    took_ms: float = 0.0

    @property
    def summary(self) -> str:
        """What a client is told of a blocked picture."""
        names = ", ".join(category.name for category in self.categories)
        return f"Content blocked — flagged for: {names}."


class NoVerdict(Exception):
    """Why there is none, for the log: no URL, no prompt, nothing that the reviewer wrote."""


class Reviewer:
    """Asks once: a later poll asks again. `session` is shared and stays open."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        self._url = f"{settings.acs_url.rstrip('/')}/v1/reviews"
        self._timeout_s = settings.acs_timeout_s
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
        async with self._session.get(self._url.removesuffix("/v1/reviews") + "/healthz") as response:
            return response.status < 500

    async def _ask(self, body: bytes) -> tuple[_Judged, str]:
        """And the ruleset's version, "" where the reviewer tells none."""
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        async with self._session.post(
            self._url, data=body, headers=headers, allow_redirects=False
        ) as response:
            if response.status != 200:
                raise NoVerdict(f"status {response.status}")
            if response.content_type != "application/json":
                raise NoVerdict("not JSON")
            version = response.headers.get(VERSION, "")[:MAX_VERSION]
            answer = await read_bounded(response, MAX_ANSWER_BYTES)
        try:
            return msgspec.json.decode(answer, type=_Judged), version
        except msgspec.DecodeError:
            raise NoVerdict("not the shape of a verdict") from None
