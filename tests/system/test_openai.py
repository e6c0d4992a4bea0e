"""The `openai` package against the whole system: real pictures, really reviewed."""

import base64
import io
from collections.abc import Iterator

import openai
import pytest
import requests
from openai import OpenAI
from PIL import Image

from tests.system.running import PATIENCE_S, System


@pytest.fixture
def client(system: System) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{system.url}/v1", api_key=system.key, timeout=PATIENCE_S, max_retries=0) as opened:
        yield opened


def test_pictures_come_as_links_as_base64_and_as_a_stream(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["eros"]
    linked = client.images.generate(
        prompt="@mira waving, in a meadow, -rain",
        n=2,
        size="1024x1024",
        extra_body={"seed": 1},  # with one of a hundred others the detector takes an owl for something else
    )
    assert linked.data and len(linked.data) == 2, linked
    for each in linked.data:
        picture = Image.open(io.BytesIO(requests.get(each.url or "", timeout=30).content))
        assert (picture.format, picture.size) == ("PNG", (1024, 1024))
    encoded = client.images.generate(
        model="gpt-image-1", prompt="a red car on the beach", size="1536x1024", output_format="webp"
    )
    assert encoded.data
    picture = Image.open(io.BytesIO(base64.b64decode(encoded.data[0].b64_json or "")))
    assert (picture.format, f"{picture.width}x{picture.height}") == ("WEBP", encoded.size)
    events = list(client.images.generate(model="gpt-image-1", prompt="a lake at dawn", stream=True))
    assert [event.type for event in events] == ["image_generation.completed"]


def test_what_the_reviewer_blocks_is_an_error_without_a_link(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as blocked:
        client.images.generate(prompt="a red car, blood and gore")
    assert blocked.value.code == "moderation_blocked"
    assert "http" not in str(blocked.value.body)
