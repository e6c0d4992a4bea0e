"""A small client of the API for the command line."""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from cli.errors import UserError
from cli.instance import Instance
from frontend.settings import load

T = TypeVar("T")
TIMEOUT_S = 60.0
RETRY_S = 30.0
PAUSE_S = 1.0
MAX_PICTURE_BYTES = 64 * 1024 * 1024


class ServerUnreachable(UserError):
    """No answer came."""

    def __init__(self, message: str, *, refused: bool) -> None:
        super().__init__(message)
        self.refused = refused  # nothing listens there, so nothing was asked


class ServerRefusal(UserError):
    """The server's own words."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status  # of HTTP


@dataclass(frozen=True)
class Client:
    url: str
    key: str  # "" for none
    supervised: bool = False  # a supervisor on this machine starts it again when it ends

    @classmethod
    def find(cls, url: str | None, key: str | None, *, needs_key: bool = True) -> "Client":
        """The server that was named, else the one that runs here. Raises UserError."""
        if url is None:
            serving = Instance(load().data_dir).running()
            return cls(serving.url, key or serving.key, supervised=True)
        if not url.startswith(("http://", "https://")):
            raise UserError(f"--url {url}: expected http:// or https://")
        if needs_key and not key:
            raise UserError("--url needs a key: --key or IMGEN_API_KEY")
        return cls(url.rstrip("/"), key or "")

    def call(self, body: dict[str, Any]) -> dict[str, Any]:
        """Raises UserError."""
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(f"{self.url}/api/v2", orjson.dumps(body), headers)  # noqa: S310
        try:
            answer = orjson.loads(self._fetch(request))
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise UserError(f"{self.url} answers, but not as an imgen server does")
        return answer

    def download(self, url: str) -> bytes:
        """A picture by its signed URL, which needs no key."""
        return self._fetch(urllib.request.Request(url))  # noqa: S310

    def _fetch(self, request: urllib.request.Request) -> bytes:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
                data: bytes = response.read(MAX_PICTURE_BYTES)
                return data
        except urllib.error.HTTPError as error:
            raise ServerRefusal(_read_reason(error), error.code) from None
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            cause = getattr(error, "reason", error)
            refused = isinstance(cause, ConnectionRefusedError)
            raise ServerUnreachable(f"{self.url} does not answer: {cause}", refused=refused) from None


def retry_while_away(
    ask: Callable[[], T], retry_s: float = RETRY_S, waiting: Callable[[], None] | None = None
) -> T:
    """Asks again while the server is away, such as one that is started anew. Raises UserError.

    `waiting` is called before each pause.
    """
    deadline = time.monotonic() + retry_s
    while True:
        try:
            return ask()
        except (ServerUnreachable, ServerRefusal) as error:
            if (isinstance(error, ServerRefusal) and error.status < 500) or time.monotonic() >= deadline:
                raise
            if waiting:
                waiting()
            time.sleep(PAUSE_S)


def _read_reason(error: urllib.error.HTTPError) -> str:
    try:
        answer = orjson.loads(error.read(65_536))
        words = str(answer["error"])
        return f"{words}: {answer['detail']}" if "detail" in answer else words
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return f"HTTP {error.code}"
