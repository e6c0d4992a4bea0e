import json

import pytest

from tests.clients.readme import blocks
from tests.clients.typescript.conftest import Run
from tests.clients.webhook import BODY, FORGED, OTHER, SECRET, signed

VERIFY = """
import { webhooks } from "imgen-client";
const [body, headers, secret] = JSON.parse(process.env.GIVEN);
const told = await webhooks.verify(body, headers, secret).catch((error) => error.kind ?? error.message);
console.log(JSON.stringify(told));
"""


async def verified(run: Run, body: str, headers: dict[str, str], secret: str | list[str]) -> object:
    return json.loads(await run(VERIFY, GIVEN=json.dumps([body, headers, secret])))


@pytest.mark.parametrize(
    "secret", [SECRET, [OTHER, SECRET], SECRET.removeprefix("whsec_")], ids=["one", "two", "bare"]
)
async def test_webhook_of_the_secret_is_read(run: Run, secret: str | list[str]) -> None:
    headers = {name.title(): value for name, value in signed(by=(OTHER, SECRET)).items()}
    assert await verified(run, BODY, headers, secret) == json.loads(BODY)


@pytest.mark.parametrize("why", FORGED)
async def test_webhook_that_is_not_of_the_secret_is_refused(run: Run, why: str) -> None:
    body, headers = FORGED[why]()
    assert await verified(run, body, headers, SECRET) == "forged_webhook"


async def test_secret_that_is_none_is_told_without_its_words(run: Run) -> None:
    assert await verified(run, BODY, signed(), "whsec_!") == "secret: expected whsec_ and base64"


async def test_receiver_of_the_readme_takes_a_webhook(run: Run) -> None:
    headers = signed()
    call = "\nawait receive(process.env.BODY, JSON.parse(process.env.HEADERS));"
    said = await run(
        blocks("clients/typescript/README.md", "js")[1] + call,
        BODY=BODY,
        HEADERS=json.dumps(headers),
        IMGEN_WEBHOOK_SECRET=SECRET,
    )
    assert said == "msg_1 FAILED\n"
