"""Real S3 servers for the tests: rclone, which checks every signature, and moto, which knows every call."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from embedded.part import SystemPart, free_port, running
from tests.frontend.storage.keys import ACCESS_KEY, BUCKET, SECRET_KEY


class Loopback(AbstractResolver):
    """Every host name is this machine, so that buckets in host names need no DNS."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None: ...


async def rclone(folder: Path, *, path_style: bool) -> AsyncIterator[str]:
    """Serves the subfolders of `folder` as buckets; yields its URL under a made-up host name."""
    part = rclone_part(folder, free_port(), path_style=path_style)
    async with running(part, folder):
        yield part.url


def rclone_part(folder: Path, port: int, *, path_style: bool = True) -> SystemPart:
    """It may be started again and again."""
    (folder / "buckets" / BUCKET).mkdir(parents=True, exist_ok=True)
    return SystemPart(
        name="rclone",
        url=f"http://s3.test:{port}",
        command=(
            *(
                str(Path(sys.prefix) / "bin" / "rclone"),
                "serve",
                "s3",
                "--config",
                "",
                "--addr",
                f"127.0.0.1:{port}",
            ),
            *(f"--force-path-style={str(path_style).lower()}", str(folder / "buckets")),
        ),
        environment={"RCLONE_AUTH_KEY": f'"{ACCESS_KEY},{SECRET_KEY}"'},
        ready=lambda: _answers(f"http://127.0.0.1:{port}/"),
    )


async def moto(folder: Path) -> AsyncIterator[str]:
    port = free_port()
    part = SystemPart(
        name="moto",
        url=f"http://127.0.0.1:{port}",
        command=(sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)),
        ready=lambda: _answers(f"http://127.0.0.1:{port}/moto-api/"),
    )
    async with running(part, folder), aiohttp.ClientSession() as http:
        async with http.put(f"http://127.0.0.1:{port}/{BUCKET}") as answer:
            assert answer.status == 200
        yield part.url


async def _answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as http, http.get(url):
            return True
    except aiohttp.ClientError:
        return False
