"""A picture on its way from pixels to signed files, and the threads on which that happens."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from frontend.finishing.certificate import Certificate
from frontend.finishing.credentials import Signatory
from frontend.finishing.encode import encode
from frontend.finishing.fingerprint import fingerprint
from frontend.finishing.signing import open_signatory
from frontend.finishing.thumbnail import thumbnail
from frontend.finishing.visible_mark import lay
from frontend.picture import Credentials, Encoding, Finished, Picture, VisibleMark
from frontend.settings import Settings


@dataclass(frozen=True)
class Stopwatch:
    timings_ms: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timings_ms[stage] = (time.perf_counter() - start) * 1000


def finish(
    picture: Picture,
    mark: VisibleMark | None,
    encoding: Encoding,
    credentials: Credentials,
    signatory: Signatory,
) -> Finished:
    """Visible mark, (invisible mark,) fingerprint, encode, sign, hash: the order is fixed.

    Marks come first so that everything after describes the pixels that the client gets; nothing may touch the
    bytes once they are signed. Takes 100 ms and more: not for an event loop.
    """
    stage = Stopwatch()
    with stage("mark"):
        pixels = lay(picture.pixels, mark) if mark else picture.pixels
    with stage("fingerprint"):
        digits, quality = fingerprint(pixels)
    with stage("encode"):
        plain = encode(pixels, encoding)
    with stage("sign"):
        signed = signatory.sign(plain, credentials)
    with stage("thumbnail"):
        small = signatory.sign(thumbnail(pixels, encoding), credentials)
    return Finished(
        picture=signed,
        thumbnail=small,
        fingerprint=digits,
        fingerprint_quality=quality,
        timings_ms=stage.timings_ms,
    )


class Finisher:
    """Finishes pictures on a few threads of its own, so that the event loop goes on."""

    def __init__(self, signatory: Signatory, threads: ThreadPoolExecutor) -> None:
        self._signatory = signatory
        self._threads = threads

    @property
    def certificate(self) -> Certificate:
        return self._signatory.certificate

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, settings: Settings) -> AsyncIterator["Finisher"]:
        """Raises SettingError where the certificate cannot sign."""
        async with open_signatory(settings) as signatory:
            async with cls.running(signatory, threads=max(1, min(8, os.cpu_count() or 1))) as finisher:
                yield finisher

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, signatory: Signatory, threads: int) -> AsyncIterator["Finisher"]:
        """At the end, waits for the pictures that are being finished and drops those that wait."""
        pool = ThreadPoolExecutor(threads, thread_name_prefix="finish")
        try:
            yield cls(signatory, pool)
        finally:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)

    async def finish(
        self, picture: Picture, mark: VisibleMark | None, encoding: Encoding, credentials: Credentials
    ) -> Finished:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, finish, picture, mark, encoding, credentials, self._signatory
        )
