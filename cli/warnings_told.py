"""What a server that has just started warns of, such as a model that Triton could not load."""

import urllib.error
import urllib.request
from collections.abc import Collection

import orjson

from cli.errors import print_error
from frontend.settings import Settings

TIMEOUT_S = 10.0
MAX_BYTES = 1 << 20


def tell_warnings(settings: Settings, url: str, told: Collection[str]) -> None:
    """Those of /readyz that were not told yet; a server that does not answer is told of by others."""
    place = f"http://{settings.operators_address}" if settings.operators_address else url
    for line in _read(f"{place}/readyz"):
        if line not in told:
            print_error(line)


def _read(address: str) -> list[str]:
    try:
        with _open(address) as response:
            return [str(line) for line in orjson.loads(response.read(MAX_BYTES))["warnings"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _open(address: str) -> "urllib.error.HTTPError | urllib.request._UrlopenRet":
    try:
        return urllib.request.urlopen(address, timeout=TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:  # 503 where a part is away; it says which
        return error
