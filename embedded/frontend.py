"""The API server as a part: `imgen serve` as in production, told by environment where the others are."""

import sys
from collections.abc import Mapping

import aiohttp

from embedded.part import Part
from frontend.settings import ROOT, Settings


def frontend_part(settings: Settings, environment: Mapping[str, str]) -> Part:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    url = f"http://{host}:{settings.port}"
    return Part(
        name="frontend",
        url=url,
        command=(sys.executable, "-m", "cli.main", "serve"),
        environment={
            "PYTHONPATH": str(ROOT),
            "IMGEN_PORT": str(settings.port),
            "IMGEN_DATA_DIR": str(settings.data_dir.resolve()),
            **environment,
        },
        ready=lambda: _ready(url),
        stop_timeout_s=30.0,
    )


async def _ready(url: str) -> bool:
    """Listening is enough: /readyz may wait for an outside part that `imgen up` has no say in."""
    try:
        async with aiohttp.ClientSession() as http, http.get(f"{url}/healthz") as response:
            return response.status == 200
    except (aiohttp.ClientError, OSError):
        return False
