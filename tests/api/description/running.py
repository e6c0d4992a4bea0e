"""Clients' programs, beside the server that they ask: in this loop, so nothing may block it."""

import asyncio
import os
from pathlib import Path

from tests.api.harness import Api


async def output_of(server: Api, *command: str | Path, cwd: Path) -> str:
    """What the program prints. It finds the server's address and key in its environment."""
    environment = {**os.environ, "IMGEN_URL": server.url, "IMGEN_API_KEY": server.key}
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=cwd,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    assert process.returncode == 0, said.decode() + complained.decode()
    return said.decode().strip()


async def media_type_at(server: Api, url: str) -> str:
    async with server.http.get(url) as response:
        assert response.status == 200 and await response.read()
        return response.content_type
