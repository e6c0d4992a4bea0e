"""A picture on its way from pixels to signed files, and the threads on which that happens."""

import asyncio
import contextlib
import dataclasses
import os
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import cv2

from frontend.domain.picture import Credentials, Encoding, Finished, Picture, Watermark
from frontend.finishing.certificate import Certificate
from frontend.finishing.coverage import share, within
from frontend.finishing.credentials import Signatory
from frontend.finishing.encode import encode
from frontend.finishing.fingerprint import fingerprint
from frontend.finishing.settings import FinishingSettings
from frontend.finishing.signing import open_signatory
from frontend.finishing.stamps import Pixels, Stamps
from frontend.finishing.thumbnail import thumbnail
from frontend.finishing.watermark import lay
from frontend.invisible_mark.codes import Codes
from frontend.invisible_mark.content import luma_grid
from frontend.invisible_mark.keys import InvisibleKeys
from frontend.invisible_mark.writing import write


@dataclass(frozen=True)
class Stopwatch:
    timings_ms: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timings_ms[stage] = (time.perf_counter() - start) * 1000


@dataclass(frozen=True)
class Tools:
    """What all pictures of a process are finished with."""

    signatory: Signatory
    codes: Codes  # of the key that invisible marks are laid with
    stamps: Stamps = field(default_factory=Stamps)
    max_watermark_share: float = 1.0


def finish(
    picture: Picture,
    watermark: Watermark | None,
    encoding: Encoding,
    credentials: Credentials,
    tools: Tools,
) -> Finished:
    """Watermark, invisible mark, fingerprint, encode, sign, hash: the order is fixed.

    Both marks come first, so that everything after describes the pixels that the client gets; nothing may
    touch the bytes once they are signed. `credentials.invisible_id` is what the invisible mark says: what is
    signed is what is laid. Takes tens of ms: not for an event loop.
    """
    stage = Stopwatch()
    with stage("mark"):
        pixels, laid, covered = _marked(picture.pixels, watermark, tools)
    credentials = dataclasses.replace(credentials, watermark_share=covered)
    with stage("invisible_mark"):
        pixels = write(pixels, int(credentials.invisible_id, 16), tools.codes)
    with stage("fingerprint"):
        digits, quality = fingerprint(pixels)
        grid = luma_grid(pixels)
    with stage("encode"):
        plain = encode(pixels, encoding)
    with stage("sign"):
        signed = tools.signatory.sign(plain, credentials)
    with stage("thumbnail"):
        small = tools.signatory.sign(thumbnail(pixels, encoding), credentials)
    return Finished(
        picture=signed,
        thumbnail=small,
        fingerprint=digits,
        fingerprint_quality=quality,
        luma_grid=grid,
        invisible_id=credentials.invisible_id,
        invisible_key=tools.codes.version,
        tells_prompt=tools.signatory.tells_prompt,
        watermark_share=covered,
        watermark_scale=laid.scale if laid else 0,
        timings_ms=stage.timings_ms,
    )


def _marked(
    pixels: Pixels, watermark: Watermark | None, tools: Tools
) -> tuple[Pixels, Watermark | None, float]:
    """Pixels, the watermark as it was laid, and its share of them."""
    if watermark is None:
        return pixels, None, 0.0
    height, width = pixels.shape[:2]
    laid = within(watermark, width, height, tools.stamps, tools.max_watermark_share)
    return lay(pixels, laid, tools.stamps), laid, share(laid, width, height, tools.stamps)


class Finisher:
    """Finishes pictures on a few threads of its own, so that the event loop goes on."""

    def __init__(self, tools: Tools, threads: ThreadPoolExecutor) -> None:
        self._tools = tools
        self._threads = threads

    @property
    def certificate(self) -> Certificate:
        return self._tools.signatory.certificate

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, settings: FinishingSettings, invisible_keys: InvisibleKeys
    ) -> AsyncIterator["Finisher"]:
        """Raises SettingError where the certificate cannot sign."""
        async with open_signatory(settings) as signatory:
            threads = max(1, min(8, os.cpu_count() or 1))
            tools = Tools(signatory, invisible_keys.writing, max_watermark_share=settings.max_watermark_share)
            async with cls.start(tools, threads) as finisher:
                yield finisher

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, tools: Tools, threads: int) -> AsyncIterator["Finisher"]:
        """At the end, waits for the pictures that are being finished and drops those that wait."""
        cv2.setNumThreads(1)  # pictures are what runs side by side here, not the parts of one
        pool = ThreadPoolExecutor(threads, thread_name_prefix="finish")
        try:
            yield cls(tools, pool)
        finally:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)

    async def finish(
        self, picture: Picture, watermark: Watermark | None, encoding: Encoding, credentials: Credentials
    ) -> Finished:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, finish, picture, watermark, encoding, credentials, self._tools
        )
