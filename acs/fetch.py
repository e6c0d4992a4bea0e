"""Pictures over HTTP: only from places that were allowed, never more than was bounded."""

import asyncio
from dataclasses import dataclass

import aiohttp
from yarl import URL

from acs.failure import Failure

MAX_BYTES = 32 << 20
TIMEOUT_S = 15.0
_CHUNK = 1 << 16


@dataclass(frozen=True)
class AllowedPrefix:
    """One URL prefix: the same scheme, host and port, and a path below it. Raises ValueError."""

    prefix: URL

    def __post_init__(self) -> None:
        url = self.prefix
        if url.scheme not in ("http", "https") or not url.host or url.user or url.query_string:
            raise ValueError(f"expected http(s)://HOST[:PORT][/PATH], got {url!s}")

    def covers(self, url: URL) -> bool:
        folder = self.prefix.raw_path.rstrip("/") + "/"
        return url.origin() == self.prefix.origin() and url.raw_path.startswith(folder)


class Fetcher:
    """Never follows a redirect: it could lead to a place that was not allowed."""

    def __init__(
        self, session: aiohttp.ClientSession, allowed: tuple[AllowedPrefix, ...], timeout_s: float = TIMEOUT_S
    ) -> None:
        self._session = session
        self._allowed = allowed
        self._timeout_s = timeout_s

    async def fetch(self, address: str) -> bytes:
        """Raises Failure 422 (an address that is not allowed) or 502 (nothing whole came from it)."""
        url = self._check(address)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._read(url)
        except (aiohttp.ClientError, OSError, ValueError):  # TimeoutError is an OSError
            raise Failure(502, "The picture could not be fetched") from None

    def _check(self, address: str) -> URL:
        try:
            url = URL(address, encoded=True)  # as it is: another quoting would break its signature
            known = url.scheme in ("http", "https") and any(item.covers(url) for item in self._allowed)
        except ValueError:
            raise Failure(422, "Invalid image_url: expected an http(s) URL") from None
        path = url.raw_path.lower().replace("%2e", ".").replace("%2f", "/")
        plain = address.isascii() and address.isprintable() and "\\" not in address and " " not in address
        if not known or not plain or url.user or url.password or ".." in path.split("/"):
            raise Failure(422, "Invalid image_url: not a place that pictures may be fetched from")
        return url

    async def _read(self, url: URL) -> bytes:
        async with self._session.get(
            url, allow_redirects=False, headers={"Accept-Encoding": "identity"}
        ) as response:
            if response.status != 200:
                raise Failure(502, f"The picture could not be fetched: status {response.status}")
            data = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                data += chunk
                if len(data) > MAX_BYTES:
                    raise Failure(502, f"The picture is larger than {MAX_BYTES >> 20} MiB")
            return bytes(data)


def picture_session() -> aiohttp.ClientSession:
    """No cookies, no proxies from the environment, no decompression."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        requote_redirect_url=False,
    )
