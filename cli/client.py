"""The way of the command line to a server: the Python client of the API, told where and as whom."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.errors import UserError
from cli.instance import Instance
from frontend.settings import load

if TYPE_CHECKING:  # an import of a tenth of a second, for commands that ask a server
    from imgen_client import AsyncClient, Client, ImgenError

RETRY_S = 30.0
POLL_S = 0.4


@dataclass(frozen=True)
class ServerAccess:
    url: str
    key: str  # "" for none
    supervised: bool = False  # a supervisor on this machine starts it again when it ends

    @classmethod
    def find(cls, url: str | None, key: str | None, *, needs_key: bool = True) -> "ServerAccess":
        """The server that was named, here or in IMGEN_URL, else the one that runs here; the key likewise, by
        IMGEN_API_KEY. Raises UserError."""
        url, key = url or os.environ.get("IMGEN_URL"), key or os.environ.get("IMGEN_API_KEY")
        if not url:
            serving = Instance(load().data_dir).running()
            return cls(serving.url, key or serving.key, supervised=True)
        if not url.startswith(("http://", "https://")):
            raise UserError(f"{url} (--url or IMGEN_URL): expected http:// or https://")
        if needs_key and not key:
            raise UserError(f"{url} needs a key: --key or IMGEN_API_KEY")
        return cls(url.rstrip("/"), key or "")

    def open(self, patience_s: float = 0.0) -> "Client":
        """`patience_s`: for so long is waited for a server that is away. Raises UserError."""
        from imgen_client import Client

        try:
            return Client(self.url, self.key, patience_s=patience_s, poll_s=POLL_S)
        except ValueError as error:
            raise UserError(str(error)) from None

    def open_async(self, patience_s: float = RETRY_S) -> "AsyncClient":
        from imgen_client import AsyncClient

        try:
            return AsyncClient(self.url, self.key, patience_s=patience_s, poll_s=POLL_S)
        except ValueError as error:
            raise UserError(str(error)) from None

    def while_away(self, told: Callable[[], None] | None = None) -> "Callable[[ImgenError], None]":
        """What is done before an attempt anew. Where nothing listens and nobody starts it, there is none."""
        from imgen_client import Unreachable

        def away(error: "ImgenError") -> None:
            if isinstance(error, Unreachable) and error.refused and not self.supervised:
                raise UserError(str(error))
            if told:
                told()

        return away


@contextlib.contextmanager
def as_user_errors() -> Iterator[None]:
    """The client's errors as one line each."""
    from imgen_client import ImgenError

    try:
        yield
    except ImgenError as error:
        raise UserError(str(error)) from None
