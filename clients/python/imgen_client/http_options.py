"""How httpx is used, by both clients."""

import os

import httpx

from .core import Core
from .effects import Lost
from .errors import NotImgen

MAX_REFUSAL_BYTES = 65_536
TIMEOUT_S = 60.0
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)  # a job that is awaited holds one
NO_AUTH = httpx.Auth()  # else what stands in ~/.netrc would be sent along with a signed link


def core_of(url: str | None, key: str | None, patience_s: float, poll_s: float, silence_s: float) -> Core:
    """Raises ValueError."""
    url = url or os.environ.get("IMGEN_URL", "")
    if not url.startswith(("http://", "https://")):
        raise ValueError("url: expected the server's address, http:// or https://, or one in IMGEN_URL")
    key = os.environ.get("IMGEN_API_KEY", "") if key is None else key
    if not (key.isascii() and key.isprintable()):
        raise ValueError("key: expected ASCII without control characters")
    return Core(url.rstrip("/"), key, patience_s, poll_s, silence_s)


def lost(error: httpx.HTTPError | httpx.InvalidURL) -> Lost:
    refused = isinstance(error, httpx.ConnectError) and "refused" in str(error).lower()
    return Lost(
        str(error) or type(error).__name__, refused=refused, silent=isinstance(error, httpx.ReadTimeout)
    )


def lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


class Body:
    """Bytes of an answer, up to a limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        """Raises NotImgen beyond the limit."""
        self._size += len(part)
        if self._size > self._most:
            raise NotImgen(f"the answer is larger than {self._most} bytes")
        self._parts.append(part)

    def whole(self) -> bytes:
        return b"".join(self._parts)
