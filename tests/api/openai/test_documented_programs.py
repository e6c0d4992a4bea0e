"""The programs in docs/openai.md, as they stand there."""

import os
import re
import sys
from pathlib import Path

from frontend.settings import ROOT
from tests import npm
from tests.api.description.running import media_type_at, output_of
from tests.api.harness import Api
from tests.programs import needs

TEXT = (ROOT / "docs" / "openai.md").read_text()


def program(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", TEXT, re.M | re.S)
    assert found
    return found[1].replace("@mira", "@aya")  # whom this server's catalogue has


async def test_python_program_draws_two_pictures(server: Api, tmp_path: Path) -> None:
    urls = await output_of(server, sys.executable, "-c", program("python"), cwd=tmp_path)
    assert [await media_type_at(server, url) for url in urls.splitlines()] == ["image/png"] * 2


async def test_javascript_program_is_told_of_its_picture(server: Api, tmp_path: Path) -> None:
    os.symlink(npm.installed(), tmp_path / "node_modules")
    (tmp_path / "program.mjs").write_text(program("javascript"))
    said = await output_of(server, needs("node"), "program.mjs", cwd=tmp_path)
    assert said == f"image_generation.completed 1344x768 {len(server.acs.pictures[0])}"
