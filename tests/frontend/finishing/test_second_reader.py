"""What we sign, read by an implementation that shares no code with the one that signed it."""

import datetime
from pathlib import Path
from typing import Any

import pytest
from encypher_c2pa import verify

from frontend.domain.picture import File
from frontend.finishing.signing import open_signatory
from frontend.settings import Settings

from .pictures import credentials
from .test_credentials import CHAIN, FORMATS, signed
from .test_timestamps import sign
from .tsa import Tsa

TEXTS = [
    "灯台 👩‍🚀🏳️‍🌈",
    "مرحبا\u200f \u202eevil",
    "x" * 10_000,
    "a\0b\r\nc",
    "\ud83d",
    '"}],{[\\u0000',
    "\ufffe",
]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCYPHER_C2PA_TELEMETRY", "off")


def second(
    file: File, chain: bytes = CHAIN, clock: str | None = None, when: str | None = None
) -> dict[str, Any]:
    """Its report at some time, for who trusts the chain's issuer and, for timestamps, `clock`; offline."""
    report = verify(
        file.data,
        file.media_type,
        no_default_trust=True,
        trust_pem=chain.decode(),
        tsa_trust_pem=clock,
        validation_time=when,
        online=False,
    )
    return dict(report)


def codes(report: dict[str, Any], kind: str) -> list[str]:
    return [item["code"] for item in report["validation_results"][kind]]


@pytest.mark.parametrize("mark", ["", "0123456789abcdef"])
@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_valid_and_trusted_with_our_anchor(kind: str, lossless: bool, mark: str) -> None:
    report = second(signed(kind, credentials(invisible_id=mark), lossless))
    assert (report["integrity"], report["signature"], report["hard_binding"]) == ("valid", "valid", "match")
    assert report["validation_state"] == "Trusted"
    assert codes(report, "failure") == []


@pytest.mark.parametrize("kind", FORMATS)
def test_watermark_as_an_ingredient_is_valid_and_trusted(kind: str) -> None:
    report = second(signed(kind, credentials(watermark_share=0.25)))
    assert report["validation_state"] == "Trusted"
    assert codes(report, "failure") == []


def test_who_does_not_know_our_authority_finds_it_valid_all_the_same() -> None:
    report = dict(verify(signed().data, "image/jpeg", online=False))
    assert report["validation_state"] == "Valid"
    assert codes(report, "failure") == ["signingCredential.untrusted"]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_leaves_the_manifest_valid(text: str) -> None:
    names = ("author", "title", "description", "organization", "vendor", "ruleset", "rights")
    assert second(signed(who=credentials(**dict.fromkeys(names, text))))["validation_state"] == "Trusted"


def test_one_changed_byte_is_found() -> None:
    file = signed("png")
    data = file.data[:-40] + bytes([file.data[-40] ^ 1]) + file.data[-39:]
    report = second(File(data=data, media_type="image/png", extension="png"))
    assert (report["integrity"], report["hard_binding"]) == ("invalid", "mismatch")


@pytest.mark.parametrize("kind", FORMATS)
async def test_timestamp_is_trusted(tmp_path: Path, kind: str) -> None:
    async with Tsa(tmp_path).running() as tsa:
        settings = Settings(data_dir=tmp_path / "data", tsa_url=tsa.url, tsa_required=True)
        async with open_signatory(settings) as signatory:
            file = await sign(signatory, kind)
            report = second(file, signatory.certificate.chain, tsa.anchor)
    assert report["validation_state"] == "Trusted"
    assert "timeStamp.trusted" in codes(report, "success")


@pytest.mark.parametrize("stamped", [False, True])
async def test_only_a_timestamp_outlives_the_certificate(tmp_path: Path, stamped: bool) -> None:
    async with Tsa(tmp_path).running() as tsa:
        settings = Settings(data_dir=tmp_path / "data", tsa_url=tsa.url if stamped else "")
        async with open_signatory(settings) as signatory:
            file, certificate = await sign(signatory), signatory.certificate
    later = f"{certificate.expires + datetime.timedelta(days=365):%Y-%m-%dT%H:%M:%SZ}"
    report = second(file, certificate.chain, tsa.anchor, later)
    assert (report["validation_state"] == "Trusted") is stamped
    assert ("claimSignature.outsideValidity" in codes(report, "failure")) is not stamped
