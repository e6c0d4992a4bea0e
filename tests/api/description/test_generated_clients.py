"""Clients that others' generators make of /openapi.json draw a picture."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

from tests import npm
from tests.api.description.running import media_type_at, output_of
from tests.api.harness import Api
from tests.programs import needs

CLIENTS = Path(__file__).with_name("clients")


async def test_python_client_draws_a_picture(server: Api, tmp_path: Path) -> None:
    made = await output_of(
        server,
        *(Path(sys.executable).with_name("openapi-python-client"), "generate", "--meta", "none"),
        *("--url", f"{server.url}/openapi.json", "--output-path", "imgen_api"),
        cwd=tmp_path,
    )
    assert "POST" not in made  # warnings name what was left out; files of pictures are
    shutil.copy(CLIENTS / "draw.py.txt", tmp_path / "draw.py")
    url = await output_of(server, sys.executable, "draw.py", cwd=tmp_path)
    assert await media_type_at(server, url) == "image/png"


async def test_typescript_client_draws_a_picture(server: Api, tmp_path: Path) -> None:
    node, modules = needs("node"), await asyncio.to_thread(npm.installed)
    os.symlink(modules, tmp_path / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(CLIENTS / "draw.ts", tmp_path)
    tools = tmp_path / "node_modules" / ".bin"
    await output_of(
        server,
        node,
        tools / "openapi-typescript",
        f"{server.url}/openapi.json",
        "-o",
        "imgen.ts",
        cwd=tmp_path,
    )
    await output_of(
        server,
        *(node, tools / "tsc", "--strict", "--target", "es2022", "--module", "nodenext"),
        *("--moduleResolution", "nodenext", "--types", "node", "draw.ts"),
        cwd=tmp_path,
    )
    assert await media_type_at(server, await output_of(server, node, "draw.js", cwd=tmp_path)) == "image/png"
