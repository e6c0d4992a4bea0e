"""What a server that has just started tells of itself in /readyz: whether it has found the parts that started
beside it, and what it warns of, such as a model that Triton could not load."""

import asyncio
import contextlib
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from typing import Any

import orjson

from cli.errors import print_error
from frontend.settings import Settings

TIMEOUT_S = 10.0
POLL_S = 0.02
MAX_BYTES = 1 << 20


async def wait_until_found(settings: Settings, url: str, parts: Collection[str]) -> None:
    """Until the API server has found what runs already: it may look a moment later. Not for ever."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TIMEOUT_S):
            while not _has_found(await asyncio.to_thread(read_readiness, settings, url), parts):
                await asyncio.sleep(POLL_S)


def _has_found(told: Mapping[str, Any], parts: Collection[str]) -> bool:
    found = told.get("parts", {})
    return all(found.get(part, True) for part in parts)


def tell_warnings(settings: Settings, url: str, told: Collection[str]) -> None:
    """Those that were not told yet; a server that does not answer is told of by others."""
    for line in map(str, read_readiness(settings, url).get("warnings", ())):
        if line not in told:
            print_error(line)


def read_readiness(settings: Settings, url: str) -> Mapping[str, Any]:
    """Empty where it does not answer as it should."""
    place = f"http://{settings.operators_address}" if settings.operators_address else url
    try:
        with _open(f"{place}/readyz") as response:
            told = orjson.loads(response.read(MAX_BYTES))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _open(address: str) -> "urllib.error.HTTPError | urllib.request._UrlopenRet":
    try:
        return urllib.request.urlopen(address, timeout=TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:  # 503 where a part is away; it says which
        return error
