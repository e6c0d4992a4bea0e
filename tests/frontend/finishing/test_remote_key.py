import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import c2pa
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from embedded.part import free_port
from frontend.common.errors import SettingError
from frontend.finishing.authority import issue
from frontend.finishing.remote_key import MAX_SIGNATURE_BYTES
from frontend.finishing.signing import open_signatory
from frontend.settings import ROOT, Settings
from tests.fakes import listening

from .pictures import credentials
from .test_certificate import chain_for
from .test_credentials import FORMATS, assertion, plain, read
from .tsa import Tsa


@contextlib.asynccontextmanager
async def signing_process(form: str) -> AsyncIterator[Settings]:
    """Another process with a key of its own, and the settings of a server that has it sign."""
    with tempfile.TemporaryDirectory() as name:  # pytest's paths are too long for a socket
        command = (sys.executable, "-m", "tests.frontend.finishing.signer", name, form)
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        try:
            assert process.stdout
            assert await asyncio.wait_for(process.stdout.readline(), 60) == b"ready\n"
            yield Settings(
                data_dir=Path(name) / "data",
                c2pa_certificate=Path(name) / "chain.pem",
                c2pa_signer=f"unix:{name}/socket",
                c2pa_signer_token="harbour",
            )
        finally:
            process.terminate()
            await process.wait()


@pytest.mark.parametrize("form", ["raw", "der"])
async def test_key_of_another_process_signs_every_format(form: str) -> None:
    async with signing_process(form) as settings, open_signatory(settings) as signatory:
        for kind in FORMATS:
            file = await asyncio.to_thread(signatory.sign, plain(kind), credentials())
            report = read(file)
            assert report["validation_state"] == "Valid"
        assert signatory.certificate.key == b""
        assert not settings.data_dir.exists()  # nor is a key of ours made


async def test_key_of_another_process_signs_with_timestamps(tmp_path: Path) -> None:
    async with signing_process("raw") as settings, Tsa(tmp_path).running() as tsa:
        async with open_signatory(with_changes(settings, tsa_url=tsa.url, tsa_required=True)) as signatory:
            file = await asyncio.to_thread(signatory.sign, plain("jpeg"), credentials())
    assert read(file)["validation_state"] == "Valid"
    assert tsa.asked == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"c2pa_signer_token": "other"}, "status 401"),
        ({"c2pa_signer": "unix:/nowhere", "c2pa_signer_timeout_s": 0.5}, "not in time"),
    ],
)
async def test_process_that_does_not_sign_stops_the_start(changes: dict[str, Any], reason: str) -> None:
    async with signing_process("raw") as settings:
        with pytest.raises(SettingError) as refused:
            async with open_signatory(with_changes(settings, **changes)):
                pass
    assert str(refused.value) == f"c2pa_signer: no signature: {reason}"


@dataclass
class FakeSigner:
    """A signing process that a test may spoil after its start."""

    folder: Path
    spoilt: Callable[[bytes], Awaitable[web.Response]] | None = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    async def _sign(self, request: web.Request) -> web.Response:
        data = await request.read()
        if self.spoilt:
            return await self.spoilt(data)
        return web.Response(body=self.key.sign(data, ec.ECDSA(hashes.SHA256())))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Settings]:
        (self.folder / "chain.pem").write_bytes(chain_for(self.key))
        app = web.Application()
        app.router.add_post("/sign", self._sign)
        port = free_port()
        async with listening(app, port):
            yield Settings(
                data_dir=self.folder / "data",
                c2pa_certificate=self.folder / "chain.pem",
                c2pa_signer=f"http://127.0.0.1:{port}/sign",
                c2pa_signer_timeout_s=1,
            )


async def out_of_order(data: bytes) -> web.Response:
    return web.Response(status=500)


async def refused(data: bytes) -> web.Response:
    return web.Response(status=403, text="quota")


async def of_another_key(data: bytes) -> web.Response:
    other = ec.generate_private_key(ec.SECP256R1())
    return web.Response(body=other.sign(data, ec.ECDSA(hashes.SHA256())))


async def of_other_bytes(data: bytes) -> web.Response:
    return web.Response(body=bytes(64))


async def endless(data: bytes) -> web.Response:
    return web.Response(body=bytes(MAX_SIGNATURE_BYTES + 1))


async def silent(data: bytes) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


async def elsewhere(data: bytes) -> web.Response:
    return web.Response(status=307, headers={"Location": "http://169.254.169.254/"})


@pytest.mark.parametrize(
    "spoilt", [out_of_order, refused, of_another_key, of_other_bytes, endless, silent, elsewhere]
)
async def test_bad_signature_fails_the_picture_and_not_the_next(
    tmp_path: Path, spoilt: Callable[[bytes], Awaitable[web.Response]]
) -> None:
    signer = FakeSigner(tmp_path)
    async with signer.running() as settings, open_signatory(settings) as signatory:
        signer.spoilt = spoilt
        with pytest.raises(c2pa.C2paError):
            await asyncio.to_thread(signatory.sign, plain(), credentials())
        signer.spoilt = None
        file = await asyncio.to_thread(signatory.sign, plain(), credentials())
    assert read(file)["validation_state"] == "Valid"


@pytest.mark.parametrize("status", [429, 503])
async def test_busy_process_is_asked_again(tmp_path: Path, status: int) -> None:
    signer = FakeSigner(tmp_path)
    busy = [status, status]

    async def at_first_busy(data: bytes) -> web.Response:
        if busy:
            return web.Response(status=busy.pop())
        return web.Response(body=signer.key.sign(data, ec.ECDSA(hashes.SHA256())))

    async with signer.running() as settings:
        async with open_signatory(with_changes(settings, c2pa_signer_timeout_s=30)) as signatory:
            signer.spoilt = at_first_busy
            file = await asyncio.to_thread(signatory.sign, plain(), credentials())
    assert read(file)["validation_state"] == "Valid"
    assert busy == []


async def test_many_pictures_are_signed_by_the_other_process_at_a_time(tmp_path: Path) -> None:
    async with FakeSigner(tmp_path).running() as settings, open_signatory(settings) as signatory:
        names = [f"Painter {number}" for number in range(12)]
        work = (asyncio.to_thread(signatory.sign, plain("webp"), credentials(author=name)) for name in names)
        reports = [read(file) for file in await asyncio.gather(*work)]
    assert {report["validation_state"] for report in reports} == {"Valid"}
    assert [assertion(report, "cawg.metadata")["dc:creator"] for report in reports] == [
        [name] for name in names
    ]


@pytest.mark.parametrize(
    "url", ["http://kms.example/sign", "ftp://127.0.0.1/", "unix:socket", "sign", "http://[::1"]
)
async def test_signer_that_others_could_overhear_is_refused(tmp_path: Path, url: str) -> None:
    (tmp_path / "chain.pem").write_bytes(issue()[0])
    settings = Settings(data_dir=tmp_path, c2pa_certificate=tmp_path / "chain.pem", c2pa_signer=url)
    with pytest.raises(SettingError, match=r"^c2pa_signer: expected https://"):
        async with open_signatory(settings):
            pass


def with_changes(settings: Settings, **changes: Any) -> Settings:
    return Settings(**vars(settings) | changes)
