import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import c2pa
import pytest
from aiohttp import web

from frontend.common.errors import SettingError
from frontend.domain.picture import File
from frontend.finishing.credentials import Signatory
from frontend.finishing.signing import open_signatory
from frontend.finishing.timestamps import MAX_QUERY_BYTES, MAX_REPLY_BYTES, open_timestamps
from frontend.settings import Settings

from .pictures import credentials
from .test_credentials import FORMATS, active, plain, read
from .tsa import Tsa


@pytest.fixture
async def tsa(tmp_path: Path) -> AsyncIterator[Tsa]:
    async with Tsa(tmp_path).running() as running:
        yield running


def settings(tsa: Tsa, **changes: Any) -> Settings:
    return Settings(data_dir=tsa.folder / "data", tsa_url=tsa.url, **changes)


async def sign(signatory: Signatory, kind: str = "jpeg") -> File:
    return await asyncio.to_thread(signatory.sign, plain(kind), credentials())


def successes(report: dict[str, Any]) -> list[str]:
    return [item["code"] for item in report["validation_results"]["activeManifest"]["success"]]


def stamped(file: File) -> bool:
    report = read(file)
    assert report["validation_state"] == "Valid"
    return "time" in active(report)["signature_info"]


@pytest.mark.parametrize("kind", FORMATS)
async def test_signature_carries_the_authoritys_time(tsa: Tsa, kind: str) -> None:
    async with open_signatory(settings(tsa)) as signatory:
        file = await sign(signatory, kind)
    trust = {"verify": {"verify_trust": True}, "trust": {"user_anchors": tsa.anchor}}
    with c2pa.Context.from_dict(trust) as context:
        report = read(file, context)
    assert "timeStamp.validated" in successes(report)
    assert "timeStamp.trusted" in successes(report)
    assert active(report)["signature_info"]["time"]
    assert tsa.asked == 1


async def test_silent_authority_costs_a_bounded_time_and_then_none(tsa: Tsa) -> None:
    tsa.gate.clear()
    async with open_signatory(settings(tsa, tsa_timeout_s=0.2)) as signatory:
        async with asyncio.timeout(20):  # the library alone would wait for 30
            assert not stamped(await sign(signatory))
        assert not stamped(await sign(signatory))
        assert tsa.asked == 1  # it rests


ANSWERS: dict[str, Callable[[], web.Response]] = {
    "error": lambda: web.Response(status=500),
    "nonsense": lambda: web.Response(text="no timestamp"),
    "endless": lambda: web.Response(body=b"\x30" * (MAX_REPLY_BYTES + 1)),
    "elsewhere": lambda: web.Response(status=307, headers={"Location": "http://169.254.169.254/"}),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("required", [False, True])
async def test_no_timestamp_is_signed_without_or_fails_as_the_settings_say(
    tsa: Tsa, answer: str, required: bool
) -> None:
    async with open_signatory(settings(tsa, tsa_required=required)) as signatory:
        tsa.answer = ANSWERS[answer]
        if not required:
            assert not stamped(await sign(signatory))
            return
        with pytest.raises(c2pa.C2paError):
            await sign(signatory)
        tsa.answer = None
        assert stamped(await sign(signatory))  # at once: what is required is asked for each time


async def test_timestamp_of_another_signature_is_not_taken(tsa: Tsa) -> None:
    async with open_signatory(settings(tsa, tsa_required=True)) as signatory:
        await sign(signatory)
        before = tsa.replies[-1]
        tsa.answer = lambda: web.Response(body=before)
        with pytest.raises(c2pa.C2paError):
            await sign(signatory)


async def test_unreachable_authority_does_not_stop_the_start(tmp_path: Path, unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/"
    async with open_signatory(Settings(data_dir=tmp_path, tsa_url=url)) as signatory:
        assert not stamped(await sign(signatory))
    async with open_signatory(Settings(data_dir=tmp_path, tsa_url=url, tsa_required=True)) as signatory:
        with pytest.raises(c2pa.C2paError):
            await sign(signatory)


async def test_relay_serves_this_process_alone(tsa: Tsa) -> None:
    async with open_timestamps(settings(tsa)) as timestamps, aiohttp.ClientSession() as http:
        address = timestamps.url.rpartition("/")[0]
        for path in ("/", "/ts"):
            async with http.post(f"{address}{path}", data=b"query") as response:
                assert response.status == 404
        async with http.post(timestamps.url, data=b"q" * (MAX_QUERY_BYTES + 1)) as response:
            assert response.status == 413
    assert tsa.asked == 0


@pytest.mark.parametrize("url", ["ftp://clock.example/", "clock.example", "http:///", "http://[::1"])
async def test_bad_authority_stops_the_start(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingError, match=r"^tsa_url: expected http\(s\)://HOST"):
        async with open_signatory(Settings(data_dir=tmp_path, tsa_url=url)):
            pass


async def test_required_without_an_authority_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="tsa_required: tsa_url is not set"):
        async with open_signatory(Settings(data_dir=tmp_path, tsa_required=True)):
            pass
