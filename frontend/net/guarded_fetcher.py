"""Asks what clients' URLs lead to: https only, public addresses only, all of it bounded."""

import asyncio
import contextlib
import ipaddress
import re
import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from frontend.common.bounded_read import read_bounded
from frontend.net.networks import Address, Network, is_public, lies_in, networks
from frontend.net.threaded_names import MAX_LOOKUPS, ThreadedNames

TIMEOUT_S = 10.0  # for all redirects together
AT_A_TIME = 16
MAX_REDIRECTS = 3
MAX_URL = 2_000
_MOVED = (301, 302, 303, 307, 308)
# What ends in a number is an address to browsers and resolvers, in whatever base and with whatever dots.
_NAME = re.compile(r"(?:[a-z0-9_-]+\.)*(?!(?:[0-9]+|0x[0-9a-f]*)\.?$)[a-z0-9_-]+\.?", re.IGNORECASE)


class Unreachable(Exception):
    """Nothing is to be had from there, or it must not be tried. It does not tell which: a client could learn
    from that what there is in our network."""


class CheckedResolver(AbstractResolver):
    """Names to addresses that may be connected to. The connection goes to the very address that was checked,
    so a name that is answered differently the next time gains nothing."""

    def __init__(self, allowed: Sequence[Network], names: AbstractResolver) -> None:
        self._allowed = allowed
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        if not found or not all(self.allows(ipaddress.ip_address(one["host"])) for one in found):
            raise OSError("not a public address")
        return found

    def allows(self, address: Address) -> bool:
        return is_public(address) or lies_in(address, self._allowed)

    async def close(self) -> None:
        await self._names.close()


class GuardedFetcher:
    def __init__(self, session: aiohttp.ClientSession, resolver: CheckedResolver, timeout_s: float) -> None:
        self._session = session
        self._resolver = resolver
        self.timeout_s = timeout_s

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        private_networks: Sequence[str] = (),
        names: AbstractResolver | None = None,
        trust: ssl.SSLContext | bool = True,
        timeout_s: float = TIMEOUT_S,
        at_a_time: int = AT_A_TIME,
    ) -> AsyncIterator["GuardedFetcher"]:
        """No cookies, no proxies from the environment, no decompression. Raises SettingError."""
        allowed = networks("private_networks", private_networks)
        resolver = CheckedResolver(allowed, names or ThreadedNames(max(MAX_LOOKUPS, at_a_time)))
        connector = aiohttp.TCPConnector(
            resolver=resolver, use_dns_cache=False, ssl=trust, limit=at_a_time, force_close=True
        )
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
        ) as session:
            try:
                yield cls(session, resolver, timeout_s)
            finally:
                await resolver.close()  # a session closes only a resolver that it made itself

    async def fetch(self, address: str, most: int) -> bytes:
        """At most `most` bytes. Raises Unreachable."""
        async with self._guarded():
            return await self._follow(self.check(address), most)

    async def post(self, address: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of the answer, whichever it is: no redirect is followed, no byte of a body is read.

        Raises Unreachable.
        """
        async with self._guarded():
            url = self.check(address)
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                return response.status

    def check(self, address: str) -> URL:
        """As far as it can be told without asking anybody. Raises Unreachable."""
        try:
            return self._check(URL(address[: MAX_URL + 1]))
        except ValueError as error:
            raise Unreachable from error

    @contextlib.asynccontextmanager
    async def _guarded(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.timeout_s):
                yield
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            raise Unreachable from error

    async def _follow(self, url: URL, most: int) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            async with self._get(url) as response:
                if response.status not in _MOVED:
                    if response.status != 200:
                        raise Unreachable
                    return await read_bounded(response, most)
                url = self._check(url.join(URL(response.headers.get("Location", ""))))
        raise Unreachable

    def _get(self, url: URL) -> Any:
        return self._session.get(url, allow_redirects=False, headers={"Accept-Encoding": "identity"})

    def _check(self, url: URL) -> URL:
        """A literal address is not resolved, so it is looked at here. Raises Unreachable, ValueError."""
        host = url.raw_host  # as it is connected to: IDNA has full-width digits plain
        if url.scheme != "https" or not host or url.user or url.password or len(str(url)) > MAX_URL:
            raise Unreachable
        try:
            allowed = self._resolver.allows(ipaddress.ip_address(host))
        except ValueError:
            allowed = _NAME.fullmatch(host) is not None
        if not allowed or "%" in host:
            raise Unreachable
        return url
