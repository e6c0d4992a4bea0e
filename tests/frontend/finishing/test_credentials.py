import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import c2pa
import numpy as np
import pytest
from PIL import Image

from frontend.common.version import __version__
from frontend.domain.picture import Credentials, Encoding, File
from frontend.finishing.authority import issue
from frontend.finishing.certificate import Certificate
from frontend.finishing.credentials import Signatory
from frontend.finishing.encode import encode
from frontend.finishing.manifest import GENERATION
from frontend.finishing.texts import clean

from .pictures import credentials, scene

FORMATS = ["jpeg", "png", "webp", "avif"]
CHAIN, KEY = issue()
SIGNATORY = Signatory(Certificate(chain=CHAIN, key=KEY, algorithm=b"es256"))
AI_MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


def plain(kind: str = "jpeg", lossless: bool = False) -> File:
    return encode(scene(64, 48), Encoding(format=kind, quality=95, lossless=lossless))


def signed(kind: str = "jpeg", who: Credentials | None = None, lossless: bool = False) -> File:
    return SIGNATORY.sign(plain(kind, lossless), who or credentials())


def read(file: File, context: Any = None) -> dict[str, Any]:
    """The whole report of C2PA's own reader."""
    with c2pa.Reader(file.media_type, io.BytesIO(file.data), context=context) as reader:
        return dict(json.loads(reader.json()))


def active(report: dict[str, Any]) -> dict[str, Any]:
    return dict(report["manifests"][report["active_manifest"]])


def failures(report: dict[str, Any]) -> list[str]:
    return [item["code"] for item in report["validation_results"]["activeManifest"]["failure"]]


def assertion(report: dict[str, Any], label: str) -> Any:
    found = [item["data"] for item in active(report)["assertions"] if item["label"] == label]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("kind", "lossless"), [*((kind, False) for kind in FORMATS), ("webp", True), ("avif", True)]
)
def test_manifest_is_valid_in_every_format(kind: str, lossless: bool) -> None:
    report = read(signed(kind, lossless=lossless))
    assert report["validation_state"] == "Valid"
    assert failures(report) == ["signingCredential.untrusted"]


def test_manifest_is_trusted_by_who_trusts_the_authority() -> None:
    anchors = {"verify": {"verify_trust": True}, "trust": {"user_anchors": CHAIN.decode()}}
    with c2pa.Context.from_dict(anchors) as context:
        assert read(signed(), context)["validation_state"] == "Trusted"


def test_first_action_says_that_a_model_made_it() -> None:
    first = assertion(read(signed()), "c2pa.actions.v2")["actions"][0]
    assert first["action"] == "c2pa.created"
    assert first["digitalSourceType"] == AI_MADE
    assert first["when"] == "2026-03-29T20:02:50Z"


def test_generator_is_named_with_its_version() -> None:
    generator = active(read(signed()))["claim_generator_info"][0]
    assert (generator["name"], generator["version"]) == ("imgen", __version__)


def test_facts_and_texts_are_read_back() -> None:
    report = read(signed())
    assert assertion(report, GENERATION) == {
        "gen_id": "a1b2c3d4e5f6g7h8i9j0",
        "model": "eros",
        "character": "aya",
        "rights": "consent:file-7",
        "depicts": "adult",
        "seed": 2**63 - 1,
        "ruleset": "default",
        "weights": {"engine": "e" * 64, "lora": "c" * 64},
        "runtime": "openvino 2026.4.1 bf16",
        "sampler": "dpmpp_2m",
        "spacing": "karras",
        "steps": 20,
        "guidance": 6.5,
    }
    texts = assertion(report, "cawg.metadata")
    assert {name: text for name, text in texts.items() if name != "@context"} == {
        "dc:creator": ["Aya"],
        "dc:title": "AI Image",
        "dc:description": "A lighthouse at dusk",
        "dc:publisher": ["Harbour Prints"],
        "photoshop:Credit": "imgen",
    }
    assert active(report)["title"] == "AI Image"


@pytest.mark.parametrize(("sampling", "told"), [("lcm", {"sampler": "lcm"}), ("", {})])
def test_sampling_is_told_as_far_as_it_is_known(sampling: str, told: dict[str, str]) -> None:
    facts = assertion(read(signed(who=credentials(sampling=sampling, guidance=0.0))), GENERATION)
    assert {name: facts[name] for name in ("sampler", "spacing") if name in facts} == told
    assert facts["guidance"] == 0


def test_invisible_mark_is_bound_to_the_manifest() -> None:
    report = read(signed(who=credentials(invisible_id="0123456789abcdef")))
    assert failures(report) == ["signingCredential.untrusted"]
    binding = assertion(report, "c2pa.soft-binding")
    assert binding["alg"] == "org.imgen.spread-spectrum.1"
    assert binding["blocks"] == [{"scope": {}, "value": "0123456789abcdef"}]
    actions = [action["action"] for action in assertion(report, "c2pa.actions.v2")["actions"]]
    assert actions == ["c2pa.created", "c2pa.watermarked.bound"]


def test_picture_without_an_invisible_mark_tells_of_none() -> None:
    report = read(signed(who=credentials(invisible_id="")))
    assert "c2pa.soft-binding" not in [item["label"] for item in active(report)["assertions"]]
    assert len(assertion(report, "c2pa.actions.v2")["actions"]) == 1


@pytest.mark.parametrize("kind", FORMATS)
def test_watermark_is_an_ingredient_and_the_picture_no_work_of_a_model_alone(kind: str) -> None:
    """Whatever a client had laid over it must not leave here as made by our model."""
    report = read(signed(kind, credentials(watermark_share=0.25)))
    assert report["validation_state"] == "Valid"
    assert failures(report) == ["signingCredential.untrusted"]
    created, placed, bound = assertion(report, "c2pa.actions.v2")["actions"]
    assert (created["action"], created["digitalSourceType"]) == ("c2pa.created", COMPOSITE)
    assert (placed["action"], bound["action"]) == ("c2pa.placed", "c2pa.watermarked.bound")
    assert placed["parameters"]["org.imgen.watermark_share"] == 0.25
    (named,) = placed["parameters"]["ingredients"]
    (ingredient,) = active(report)["ingredients"]
    assert named["url"].endswith(f"/{ingredient['label']}")
    assert (ingredient["title"], ingredient["relationship"]) == ("watermark", "componentOf")
    assert "25.0 %" in ingredient["description"]
    assert AI_MADE not in json.dumps(report)


def test_ingredient_is_our_word_as_the_actions_are() -> None:
    file = signed(who=credentials(watermark_share=0.25))
    with c2pa.Reader(file.media_type, io.BytesIO(file.data)) as reader:
        detailed = json.loads(reader.detailed_json())
    claim = detailed["manifests"][detailed["active_manifest"]]["claim"]
    ours = {entry["url"].rpartition("/")[2] for entry in claim["created_assertions"]}
    assert {"c2pa.ingredient.v3", "c2pa.actions.v2"} <= ours


def test_prompt_is_told_only_where_the_settings_say_so() -> None:
    who, certificate = credentials(prompt="a lighthouse\nat dusk"), SIGNATORY.certificate
    assert b"a lighthouse at dusk" not in signed(who=who).data
    with Signatory(certificate, with_prompt=True) as signatory:
        report = read(signatory.sign(plain(), who))
    assert assertion(report, GENERATION)["prompt"] == "a lighthouse at dusk"


def test_what_the_client_says_is_not_sworn_by_us() -> None:
    report = read(signed(who=credentials(invisible_id="0123456789abcdef")))
    created = {item["label"]: item.get("created", False) for item in active(report)["assertions"]}
    ours = {"c2pa.actions.v2": True, GENERATION: True, "c2pa.soft-binding": True}
    assert created == ours | {"cawg.metadata": False}


def test_empty_texts_leave_their_fields_out() -> None:
    names = ("author", "title", "description", "organization", "vendor", "character", "invisible_id")
    empty = dict.fromkeys((*names, "rights", "depicts"), "")
    report = read(signed(who=credentials(**empty)))
    assert report["validation_state"] == "Valid"
    assert "title" not in active(report)
    labels = [item["label"] for item in active(report)["assertions"]]
    assert labels == ["c2pa.actions.v2", GENERATION]
    assert not {"character", "rights", "depicts"} & set(assertion(report, GENERATION))


@pytest.mark.parametrize(
    "text",
    [
        "灯台 Müller 👩‍🚀🏳️‍🌈",
        "x" * 10_000,
        "مرحبا \u202eevil",
        "a\0b\r\nc",
        "\ud83d",
        '"}],{[\\u0000',
        "\ufffe",
    ],
)
def test_any_text_leaves_the_manifest_valid(text: str) -> None:
    names = ("author", "title", "description", "organization", "vendor", "ruleset", "rights")
    fields = dict.fromkeys(names, text)
    report = read(signed(who=credentials(**fields)))
    assert failures(report) == ["signingCredential.untrusted"]
    if clean(text):
        assert active(report)["title"] == clean(text)
        assert assertion(report, "cawg.metadata")["dc:creator"] == [clean(text)]


@pytest.mark.parametrize("kind", FORMATS)
def test_one_changed_byte_of_the_picture_is_found(kind: str) -> None:
    before = plain(kind)
    file = SIGNATORY.sign(before, credentials())
    middle = len(before.data) // 2
    data = bytearray(file.data)
    data[file.data.index(before.data[middle : middle + 32])] ^= 1
    report = read(File(data=bytes(data), media_type=file.media_type, extension=file.extension))
    assert report["validation_state"] == "Invalid"
    assert any(code.endswith("Hash.mismatch") for code in failures(report))


@pytest.mark.parametrize("kind", FORMATS)
def test_signing_leaves_the_pixels_alone(kind: str) -> None:
    one, other = (np.asarray(Image.open(io.BytesIO(file.data))) for file in (plain(kind), signed(kind)))
    assert (one == other).all()


def test_no_picture_of_the_picture_goes_in() -> None:
    assert len(signed().data) - len(plain().data) < 6000


def test_threads_share_one_signatory() -> None:
    names = [f"Painter {number}" for number in range(24)]
    with ThreadPoolExecutor(4) as threads:
        files = list(threads.map(lambda name: signed(who=credentials(author=name)), names))
    reports = [read(file) for file in files]
    assert {report["validation_state"] for report in reports} == {"Valid"}
    assert [assertion(report, "cawg.metadata")["dc:creator"] for report in reports] == [
        [name] for name in names
    ]
