"""What the README shows, run as it stands there."""

import io
import re
from pathlib import Path

from PIL import Image

from tests.api.harness import Api
from tests.clients.readme import blocks
from tests.clients.typescript.conftest import Run
from tests.fakes import UNSAFE

README = "clients/typescript/README.md"


async def test_first_program_draws_a_picture_that_was_made_here(
    run: Run, server: Api, tmp_path: Path
) -> None:
    said = await run(blocks(README, "js")[0], IMGEN_URL=server.url, IMGEN_API_KEY=server.key)
    (picture,) = tmp_path.glob("*.webp")
    assert Image.open(io.BytesIO(picture.read_bytes())).format == "WEBP"
    assert re.search(r"signed: true, marked: true.*\} made_here", " ".join(said.split())), said


async def test_first_program_tells_why_a_picture_is_blocked(run: Run, server: Api, tmp_path: Path) -> None:
    server.acs.verdict = UNSAFE
    said = await run(blocks(README, "js")[0], IMGEN_URL=server.url, IMGEN_API_KEY=server.key)
    assert re.search(r"blocked: \[ '.+' \] http", said), said
    assert not list(tmp_path.glob("*.webp"))
