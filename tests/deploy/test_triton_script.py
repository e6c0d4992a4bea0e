import asyncio
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from embedded.part import free_port, running
from embedded.triton import trace_options, triton_part
from frontend.inference.client import Inference
from frontend.inference.tls import triton_tls
from tests.certificate import certificate

CLOSED = "model-repository,shared-memory,trace,logging"
SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "triton.sh"


def run_script(
    tmp_path: Path, *repositories: Path, extra: tuple[str, ...] = (), **more: str
) -> "subprocess.CompletedProcess[str]":
    fake = tmp_path / "bin" / "tritonserver"
    fake.parent.mkdir(exist_ok=True)
    fake.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    fake.chmod(0o755)
    environment = {
        "PATH": f"{fake.parent}:{os.environ['PATH']}",
        "IMGEN_MODEL_REPOSITORIES": ":".join(map(str, repositories)),
        **more,
    }
    return subprocess.run(
        ["sh", str(SCRIPT), *extra], env=environment, capture_output=True, text=True, timeout=20
    )


def arguments(
    tmp_path: Path, *repositories: Path, extra: tuple[str, ...] = (), told: str = "", **more: str
) -> list[str]:
    """What the script starts Triton with."""
    done = run_script(tmp_path, *repositories, extra=extra, **more)
    assert (done.returncode, done.stderr) == (0, told)
    return done.stdout.split("\0")[:-1]


def options(tmp_path: Path, *repositories: Path, **more: str) -> dict[str, str]:
    pairs = (word.partition("=") for word in arguments(tmp_path, *repositories, extra=(), **more))
    return {name: value for name, _, value in pairs}


def repository(folder: Path, *models: str) -> Path:
    for model in models:
        (folder / model).mkdir(parents=True)
        (folder / model / "config.pbtxt").touch()
        (folder / model / "1").mkdir()
        (folder / model / "1" / "model.onnx").touch()
    (folder / "not-a-model").mkdir(parents=True)
    return folder


def test_every_model_but_the_characters_is_loaded_at_start(tmp_path: Path) -> None:
    own = repository(tmp_path / "own", "text_to_image")
    exported = repository(tmp_path / "with space", "eros-denoiser", "eros-denoiser--aya", "eros-decoder")
    told = "contract: model eros is left out: eros-text-encoder has no weights\n"  # and stops nothing else
    started = arguments(tmp_path, own, exported, told=told)
    assert [item for item in started if item.startswith("--model-repository")] == [
        f"--model-repository={own}",
        f"--model-repository={exported}",
    ]
    loaded = {item.removeprefix("--load-model=") for item in started if item.startswith("--load-model")}
    assert loaded == {"text_to_image", "eros-denoiser", "eros-decoder"}


def test_empty_repository_loads_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert not [item for item in arguments(tmp_path, tmp_path / "empty") if "--load-model" in item]


def test_model_control_is_closed_without_a_key(tmp_path: Path) -> None:
    """Its command line can be read by others."""
    started = options(tmp_path, repository(tmp_path / "own"))
    closed = f"{CLOSED}:Closed to everybody=al\nways"
    assert started["--grpc-restricted-protocol"] == started["--http-restricted-api"] == closed
    assert started["--model-control-mode"] == "explicit"
    assert started["--http-address"] == "127.0.0.1"
    assert int(started["--grpc-max-response-pool-size"]) <= 256


def test_folder_of_certificates_makes_grpc_mutual_tls(tmp_path: Path) -> None:
    own = repository(tmp_path / "own")
    assert not [name for name in options(tmp_path, own) if "ssl" in name]
    started = options(tmp_path, own, IMGEN_TRITON_TLS="/tls")
    assert {name: value for name, value in started.items() if "/tls" in value or "ssl" in name} == {
        "--grpc-use-ssl-mutual": "true",
        "--grpc-server-cert": "/tls/server.pem",
        "--grpc-server-key": "/tls/server.key",
        "--grpc-root-cert": "/tls/ca.pem",
    }


def test_collector_is_told_of_what_clients_trace_as_by_the_embedded_one(tmp_path: Path) -> None:
    own = repository(tmp_path / "own")
    assert not [word for word in arguments(tmp_path, own) if "trace-config" in word]
    started = arguments(tmp_path, own, IMGEN_OTLP_URL="http://collector:4318/")
    told = [word for word in started if word.startswith("--trace-config")]
    assert told == trace_options("http://collector:4318")


@pytest.mark.triton
async def test_real_triton_started_like_this_is_closed_to_everybody(
    tmp_path: Path, tiny_repository: Path
) -> None:
    """The embedded one is older than the image's, and does not know the bound of responses."""
    for name in ("server", "client"):
        (tmp_path / name).mkdir()
    (chain, key), known = certificate(tmp_path / "server"), certificate(tmp_path / "client")
    for source, name in ((chain, "server.pem"), (key, "server.key"), (known[0], "ca.pem")):
        shutil.copy(source, tmp_path / name)
    given = options(tmp_path, repository(tmp_path / "own"), IMGEN_TRITON_TLS=str(tmp_path))
    http = free_port()
    given |= {"--http-port": str(http), "--grpc-address": "127.0.0.1", "--metrics-address": "127.0.0.1"}
    given |= {"--metrics-port": str(free_port())}
    named = ("ssl", "-cert", "-key", "-restricted", "--http", "--metrics")
    part = triton_part(data_dir=tmp_path, repositories=[tiny_repository], port=free_port(), threads=1)
    kept = [word for word in part.command if not word.startswith(("--allow", "--grpc-restricted"))]
    command = (*kept, *(f"{name}={value}" for name, value in given.items() if any(n in name for n in named)))
    inference = Inference([part.url], timeout_s=30, tls=triton_tls(chain, *known))
    stranger = Inference([part.url], timeout_s=30, tls=triton_tls(chain, Path(), Path()))

    async def ready() -> bool:
        return await inference.ready() and await listens(http)  # HTTP begins after gRPC

    async with running(replace(part, command=command, ready=ready), tmp_path):
        assert not await stranger.ready()
        for header in (
            "Closed to everybody: al\nways",
            "Closed to everybody: al\r\n ways",
            "Closed to everybody:al\rways",
            "Closed to everybody: always",
            "Closed to everybody: al%0Aways",
        ):
            said = await ask(http, "POST /v2/repository/index", header)
            assert b"This API is restricted" in said or said == b"", (header, said)  # or is no HTTP
        assert b" 200 OK" in await ask(http, "GET /v2/health/live", "Closed-to-everybody: no")
    await inference.close()
    await stranger.close()


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def ask(port: int, request: str, header: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = f"{request} HTTP/1.1\r\nHost: a\r\n{header}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    writer.write(lines.encode())
    async with asyncio.timeout(20):
        said = await reader.read()
    writer.close()
    return said


def test_further_options_are_passed_on(tmp_path: Path) -> None:
    assert "--log-verbose=1" in arguments(tmp_path, repository(tmp_path / "own"), extra=("--log-verbose=1",))


def test_missing_repository_is_told_before_triton_starts(tmp_path: Path) -> None:
    done = run_script(tmp_path, tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"contract: model repository {tmp_path / 'nowhere'} does not exist\n"
