"""A client that reads a stream of events, as a browser's code does that may send a key."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from tests.api.harness import FINAL, Api

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Heard:
    """Of one event; a comment or a `retry:` alone has no name."""

    name: str
    id: str
    data: Any
    retry: int
    comment: bool

    @property
    def final(self) -> bool:
        return bool(self.data) and self.data["status"] in FINAL


@dataclass(frozen=True)
class EventReader:
    response: aiohttp.ClientResponse

    async def next(self) -> Heard | None:
        """None: the stream has ended."""
        async with asyncio.timeout(PATIENCE_S):
            lines = []
            while (line := await self.response.content.readline()) not in (b"\n", b""):
                lines.append(line.decode().rstrip("\n"))
        if not lines:
            return None
        fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
        return Heard(
            name=fields.get("event", ""),
            id=fields.get("id", ""),
            data=orjson.loads(fields["data"]) if "data" in fields else None,
            retry=int(fields.get("retry", 0)),
            comment=":" in lines,
        )

    async def until(self, *states: str) -> Heard:
        """The first event that tells one of these."""
        while heard := await self.next():
            if heard.data and heard.data["status"] in states:
                return heard
        raise AssertionError(f"ended without {states}")

    async def rest(self) -> list[Heard]:
        """All that comes until the end."""
        found = []
        while heard := await self.next():
            found.append(heard)
        return found


@contextlib.asynccontextmanager
async def asked(
    server: Api, job_id: str, http: aiohttp.ClientSession | None = None, *, last: str = ""
) -> AsyncIterator[aiohttp.ClientResponse]:
    url = f"{server.url}/api/v2/jobs/{job_id}/events"
    sent = {"Authorization": f"Bearer {server.key}", **({"Last-Event-ID": last} if last else {})}
    async with (http or server.http).get(url, headers=sent) as response:
        yield response


@contextlib.asynccontextmanager
async def stream(
    server: Api, job_id: str, http: aiohttp.ClientSession | None = None, *, last: str = ""
) -> AsyncIterator[EventReader]:
    async with asked(server, job_id, http, last=last) as response:
        assert response.status == 200, await response.text()
        yield EventReader(response)
