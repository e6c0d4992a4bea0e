"""The types that the package is written with are those of the server's description."""

import asyncio
import subprocess
from pathlib import Path

import msgspec

from frontend.description.openapi import openapi
from frontend.routes import ROUTES
from tests.programs import needs


async def test_types_are_made_of_what_the_server_describes(package: Path) -> None:
    made = await asyncio.to_thread(
        subprocess.run,
        [needs("npm"), "run", "--silent", "types"],
        cwd=package,
        input=msgspec.json.encode(openapi(ROUTES)),
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    current = (package / "src" / "api.ts").read_bytes()
    assert made.stdout == current, "curl -s SERVER/openapi.json | npm run --silent types >src/api.ts"
