"""What a client's texts become in a picture's content credentials, and what operators are told of them."""

import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import c2pa
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image
from redis.asyncio import Redis

from frontend.finishing.certificate import Certificate, load_certificate
from frontend.finishing.manifest import GENERATION
from tests.api.harness import PROMPT, Api, api
from tests.api.test_verify import verified
from tests.frontend.finishing.pictures import data_uri, file_of, scene
from tests.frontend.finishing.test_certificate import chain_for, pem_of, provided, self_signed

TEXTS = ("cs_author", "cs_title", "cs_description", "cs_organization", "cs_vendor")


async def signed(server: Api, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The finished job's meta, and what C2PA's reader reports of its picture."""
    state = await server.finished(**fields)
    meta = state["meta"]
    async with server.http.get(meta["images"][0]["url"]) as response:
        data = await response.read()
    with c2pa.Reader("image/jpeg", io.BytesIO(data)) as reader:
        return meta, dict(json.loads(reader.json()))


def assertions(report: dict[str, Any]) -> dict[str, Any]:
    active = report["manifests"][report["active_manifest"]]
    return {item["label"]: item["data"] for item in active["assertions"]}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\0b\x1b[31m\r\nc", "ab[31m c"),
        ("\u200fשלום\u200f \u202egpj.exe", "שלום gpj.exe"),
        ("灯台 👩‍🚀🏳️‍🌈", "灯台 👩‍🚀🏳️‍🌈"),
        ('"}],{[\\u0000', '"}],{[\\u0000'),
    ],
)
async def test_texts_are_stored_clean_and_signed_as_stored(server: Api, text: str, kept: str) -> None:
    meta, report = await signed(server, **dict.fromkeys(TEXTS, text))
    assert {meta[name] for name in TEXTS} == {kept}
    assert report["validation_state"] == "Valid"
    said = assertions(report)["cawg.metadata"]
    assert (said["dc:creator"], said["dc:title"], said["photoshop:Credit"]) == ([kept], kept, kept)


@pytest.mark.parametrize("name", TEXTS)
async def test_text_of_10_kb_is_refused_by_its_name(shared: Api, name: str) -> None:
    answer = await shared.post({"action": "generate", "prompt": PROMPT, name: "x" * 10_240})
    assert answer == (400, {"error": f"Invalid {name}: expected string of at most 1000 characters"})


async def test_credentials_tell_no_prompt_unless_the_settings_say_so(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path) as server:
        _, report = await signed(server)
        assert "reading a book" not in json.dumps(report)
    async with api(redis_url, tmp_path, c2pa_prompt=True) as server:
        _, report = await signed(server)
        assert "reading a book" in assertions(report)[GENERATION]["prompt"]


async def test_uploaded_picture_does_not_leave_here_as_made_by_our_model(server: Api) -> None:
    """Full size, full opacity: nothing of what was drawn can be seen."""
    upload = data_uri(file_of(Image.fromarray(scene(1344, 768)), "JPEG"), "image/jpeg")
    whole = {"wm_image": upload, "wm_scale": 100, "wm_padding_x": 0, "wm_padding_y": 0}
    meta, report = await signed(server, **whole)
    assert (report["validation_state"], meta["wm_scale"]) == ("Valid", 100)
    created, placed, _ = assertions(report)["c2pa.actions.v2"]["actions"]
    assert created["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert (placed["action"], placed["parameters"]["org.imgen.watermark_share"]) == ("c2pa.placed", 1)
    assert "trainedAlgorithmicMedia" not in json.dumps(report)
    async with server.http.get(meta["images"][0]["url"]) as response:
        found = await verified(server, await response.read())
    assert (found["result"], found["proof"], found["manifest"]["state"]) == (
        "made_here",
        "manifest",
        "trusted",
    )


async def test_watermark_is_made_smaller_where_the_operator_bounds_it(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    upload = data_uri(file_of(Image.fromarray(scene(1344, 768)), "JPEG"), "image/jpeg")
    async with api(redis_url, tmp_path, max_watermark_share=0.05) as server:
        meta, report = await signed(server, wm_image=upload, wm_scale=100)
        assert meta["wm_scale"] == 22
        share = assertions(report)["c2pa.actions.v2"]["actions"][1]["parameters"]["org.imgen.watermark_share"]
        assert 0.04 < share <= 0.05
        meta, _ = await signed(server, wm_image=upload, wm_scale=7)
        assert meta["wm_scale"] == 7


async def test_certificate_that_ends_soon_is_told_and_serves_on(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    settings = provided(tmp_path, chain_for(key, days=29), pem_of(key))
    names = ("c2pa_certificate", "c2pa_key")
    async with api(redis_url, tmp_path, **{name: getattr(settings, name) for name in names}) as server:
        ends = load_certificate(settings).expires
        async with server.http.get(f"{server.url}/readyz") as response:
            told = await response.json()
        assert (response.status, told["parts"]["credentials"]) == (200, True)
        words = f"c2pa_certificate ends at {ends:%Y-%m-%dT%H:%M:%SZ}; no picture is signed after that"
        assert told["warnings"] == [words]
        async with server.http.get(f"{server.url}/metrics") as response:
            text = await response.text()
        assert "imgen_certificate_expiring 1.0" in text
        line = re.search(r"^imgen_certificate_expires_timestamp_seconds (\S+)$", text, re.MULTILINE)
        assert line and float(line[1]) == ends.timestamp()


async def test_server_whose_certificate_has_ended_is_not_ready(server: Api, tmp_path: Path) -> None:
    ended = Certificate(chain=self_signed(days=-1)[0], algorithm=b"es256")
    flags = {**server.services.health.flags, "credentials": lambda: not ended.has_ended(datetime.now(UTC))}
    found = await replace(server.services.health, flags=flags).check()
    assert (found.parts["credentials"], found.complete) == (False, False)
