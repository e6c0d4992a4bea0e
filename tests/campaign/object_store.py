"""A real S3 server behind a proxy whose answers fail, are late, broken off or lost."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from embedded.part import SystemPart, free_port
from tests.frontend.storage.keys import ACCESS_KEY, BUCKET, SECRET_KEY
from tests.frontend.storage.servers import rclone_part

Illness = Literal["", "500", "503", "slow", "truncated", "loses answers"]
ILLNESSES: tuple[Illness, ...] = ("500", "503", "slow", "truncated", "loses answers")
CODES = {"500": "InternalError", "503": "SlowDown"}
SHARE = 0.7  # of the requests, while it lasts
SLOW_S = (0.5, 8.0)
OF_ONE_CONNECTION = ("Transfer-Encoding", "Connection", "Expect", "Keep-Alive")


@dataclass
class ObjectStore:
    part: SystemPart
    folder: Path  # where objects lie as files, by their keys
    port: int  # of the proxy
    chance: random.Random
    http: aiohttp.ClientSession
    illness: Illness = ""

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "IMGEN_S3_BUCKET": BUCKET,
            "IMGEN_S3_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "IMGEN_S3_ADDRESSING": "path",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        illness = self.illness if self.chance.random() < SHARE else ""
        if illness in CODES:
            words = f"<Error><Code>{CODES[illness]}</Code><Message>no</Message></Error>"
            return web.Response(status=int(illness), text=words, content_type="application/xml")
        if illness == "slow":
            await asyncio.sleep(self.chance.uniform(*SLOW_S))
        half = illness == "truncated" and self.chance.random() < 0.5 and len(body) > 1
        try:
            return await self._pass_on(request, body, illness, half=half)
        except (aiohttp.ClientError, OSError):
            return _break_off(request)

    async def _pass_on(
        self, request: web.Request, body: bytes, illness: Illness, *, half: bool
    ) -> web.StreamResponse:
        async def first_half() -> AsyncIterator[bytes]:
            yield body[: len(body) // 2]
            raise ConnectionResetError

        async with self.http.request(
            request.method,
            URL(f"http://127.0.0.1:{self.part.listens_at}{request.raw_path}", encoded=True),
            headers=_headers(request.headers),
            data=first_half() if half else body,
            allow_redirects=False,
        ) as answer:
            told = await answer.read()
            if illness == "loses answers":
                return _break_off(request)
            headers = _headers(answer.headers)
            if illness == "truncated" and len(told) > 1:
                response = web.StreamResponse(status=answer.status, headers=headers)
                await response.prepare(request)
                await response.write(told[: len(told) // 2])
                return _break_off(request)
            if request.method != "HEAD":
                headers.popall("Content-Length", None)
            return web.Response(status=answer.status, headers=headers, body=told)


def _headers(headers: Mapping[str, str]) -> "CIMultiDict[str]":
    kept = CIMultiDict(headers)
    for name in OF_ONE_CONNECTION:
        kept.popall(name, None)
    return kept


def _break_off(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()


@contextlib.asynccontextmanager
async def object_store(folder: Path, chance: random.Random) -> AsyncIterator[ObjectStore]:
    """The proxy; its server is for the caller to start, and to kill."""
    port = free_port()
    part = replace(rclone_part(folder, port), listens_at=port)
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        store = ObjectStore(part, folder / "buckets" / BUCKET, free_port(), chance, http)
        app = web.Application(client_max_size=1 << 28)
        app.router.add_route("*", "/{path:.*}", store.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", store.port).start()
            yield store
        finally:
            await runner.cleanup()
