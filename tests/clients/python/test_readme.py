"""What the README shows, run as it stands there."""

import io
import json
from pathlib import Path

from PIL import Image

from tests.api.harness import Api
from tests.clients.python.programs import output_of
from tests.clients.readme import blocks
from tests.clients.webhook import BODY, SECRET, signed
from tests.fakes import UNSAFE

FIRST, MANY, RECEIVER = blocks("clients/python/README.md", "python")


async def test_first_program_draws_a_picture_that_was_made_here(server: Api, tmp_path: Path) -> None:
    said = await output_of(FIRST, tmp_path, IMGEN_URL=server.url, IMGEN_API_KEY=server.key)
    (picture,) = tmp_path.glob("*.webp")
    assert Image.open(io.BytesIO(picture.read_bytes())).format == "WEBP"
    assert "Credentials(signed=True, marked=True, fingerprint=" in said
    assert said.endswith(" made_here\n")


async def test_first_program_tells_why_a_picture_is_blocked(server: Api, tmp_path: Path) -> None:
    server.acs.verdict = UNSAFE
    said = await output_of(FIRST, tmp_path, IMGEN_URL=server.url, IMGEN_API_KEY=server.key)
    assert "blocked: ('weapons', 'gore') http://" in said and not list(tmp_path.glob("*.webp"))


async def test_async_program_draws_several_at_once(server: Api, tmp_path: Path) -> None:
    said = await output_of(MANY, tmp_path, IMGEN_URL=server.url, IMGEN_API_KEY=server.key)
    first, second = said.splitlines()
    assert first.startswith("a red car on the beach ") and second.startswith("a lighthouse at night ")
    assert min(int(line.split()[-1]) for line in (first, second)) > 1000


async def test_receiver_takes_a_webhook(tmp_path: Path) -> None:
    call = f"\nreceive({BODY.encode()!r}, {json.dumps(signed())})"
    said = await output_of(RECEIVER + call, tmp_path, IMGEN_WEBHOOK_SECRET=SECRET)
    assert said == "msg_1 FAILED\n"
