"""Where a service that speaks HTTP is: `https://…`, `http://…`, or `unix:/PATH[:/BASE]` for a Unix socket.

What goes there stays between the two ends: a secret is not sent in plain text beyond this machine.
"""

import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from yarl import URL

from frontend.common.errors import SettingError

if TYPE_CHECKING:  # who only reads what a URL says, as `imgen up`, does not wait for it
    import aiohttp

FORMS = "https://…, http://… or unix:/PATH"


@dataclass(frozen=True)
class HttpEndpoint:
    url: URL  # as requests name it, whatever they go through
    socket: str = ""  # the Unix socket that they go through; empty: none

    @classmethod
    def parse(cls, text: str) -> "HttpEndpoint":
        """Raises ValueError."""
        if text.startswith("unix:/"):
            socket, colon, base = text.removeprefix("unix:").partition(":/")
            return cls(URL(f"http://localhost/{base}" if colon else "http://localhost"), socket)
        url = URL(text)
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError
        return cls(url)

    @property
    def plain_host(self) -> str:
        """The host beyond this machine that is spoken to in plain text, if one is."""
        host = self.url.host or ""
        return "" if self.socket or self.url.scheme == "https" or is_loopback(host) else host

    def connector(self, ca: Path = Path()) -> "aiohttp.BaseConnector":
        """`ca`: PEM file of the authorities that the server's certificate must be of; empty: the system's.

        Raises OSError.
        """
        import aiohttp

        if self.socket:
            return aiohttp.UnixConnector(self.socket)
        return aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=ca) if ca.name else True)


@dataclass(frozen=True)
class HttpService:
    url: str  # without a slash at its end; empty: there is no such service
    session: "aiohttp.ClientSession"


@contextlib.asynccontextmanager
async def open_http_service(
    part: str, text: str, *, key: str = "", ca: Path = Path()
) -> AsyncIterator[HttpService]:
    """`text`: what the setting IMGEN_<PART>_URL says, perhaps nothing; `ca`: what IMGEN_<PART>_CA names.
    `key`: a bearer key, sent with each request.

    Raises SettingError.
    """
    import aiohttp

    endpoint = endpoint_of(part, text)
    try:
        connector = endpoint.connector(ca) if endpoint else None
    except OSError as error:  # ssl.SSLError is one
        raise SettingError(f"IMGEN_{part.upper()}_CA: cannot use {ca}: {error.strerror or error}") from None
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        yield HttpService(str(endpoint.url).rstrip("/") if endpoint else "", session)


def endpoint_of(part: str, text: str) -> HttpEndpoint | None:
    """None for an empty text. Raises SettingError."""
    try:
        return HttpEndpoint.parse(text) if text else None
    except ValueError:
        raise SettingError(f"IMGEN_{part.upper()}_URL: expected {FORMS}") from None


def is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
