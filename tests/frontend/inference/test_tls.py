"""Tritons beyond Unix sockets: both sides prove who they are, or nothing is said."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from tritonclient.grpc import service_pb2_grpc

from frontend.common.errors import SettingError
from frontend.inference.client import Inference
from frontend.inference.tls import triton_tls
from frontend.net.service_name import ServiceName
from tests.certificate import certificate
from tests.frontend.inference.test_client import FakeTriton, says


@contextlib.asynccontextmanager
async def guarded(folder: Path) -> AsyncIterator[tuple[str, Path, tuple[Path, Path]]]:
    """A Triton that asks for a certificate: its address, its own certificate, the client's with its key."""
    for name in ("server", "client"):
        (folder / name).mkdir()
    chain, key = certificate(folder / "server")
    known = certificate(folder / "client")
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(FakeTriton(says()), server)
    credentials = grpc.ssl_server_credentials(
        [(key.read_bytes(), chain.read_bytes())], known[0].read_bytes(), require_client_auth=True
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}", chain, known
    finally:
        await server.stop(None)


async def ready(url: str, ca: Path, pair: tuple[Path, Path]) -> bool:
    inference = Inference([url], timeout_s=10, tls=triton_tls(ca, *pair))
    try:
        return await inference.ready()
    finally:
        await inference.close()


async def test_only_who_is_known_is_spoken_to(tmp_path: Path) -> None:
    (tmp_path / "stranger").mkdir()
    nobody, none = (Path(), Path()), Path()
    async with guarded(tmp_path) as (url, ca, known):
        stranger = certificate(tmp_path / "stranger")
        assert await ready(url, ca, known)
        assert not await ready(url, ca, nobody)  # this server shows no certificate
        assert not await ready(url, ca, stranger)
        assert not await ready(url, stranger[0], known)  # Triton has another authority's
        assert not await ready(url, none, nobody)  # plain text


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("ca.pem", "a.pem", ""), "IMGEN_TRITON_CERTIFICATE and IMGEN_TRITON_KEY: either both or none"),
        (("", "a.pem", "a.key"), "IMGEN_TRITON_CA: expected a file, because IMGEN_TRITON_CERTIFICATE is set"),
        (("nowhere.pem", "", ""), "IMGEN_TRITON_CA: cannot read nowhere.pem: No such file or directory"),
    ],
)
def test_settings_that_do_not_fit_are_told(files: tuple[str, str, str], message: str) -> None:
    with pytest.raises(SettingError) as refused:
        triton_tls(*map(Path, files))
    assert str(refused.value) == message


async def test_file_that_is_no_certificate_is_told(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    await asyncio.to_thread(file.write_text, "nothing")
    with pytest.raises(SettingError, match=r"IMGEN_TRITON_CA: .* is no PEM file"):
        triton_tls(file, Path(), Path())


def test_without_an_authority_there_is_no_tls() -> None:
    assert triton_tls(Path(), Path(), Path()) is None


async def test_certificates_of_tritons_under_a_name_are_of_the_name(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (url, ca, known):
        port = url.rpartition(":")[2]

        async def look_up(name: ServiceName) -> frozenset[str]:
            return frozenset({f"127.0.0.1:{port}"})

        for host, works in (("studio.example", True), ("others", False)):
            inference = Inference(
                [f"dns:///{host}:{port}"], timeout_s=10, tls=triton_tls(ca, *known), look_up=look_up
            )
            async with inference.running():
                assert await inference.ready() is works
