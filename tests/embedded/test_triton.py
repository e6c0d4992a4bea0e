import asyncio
import os
import re
import shutil
import signal
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import InferInput
from tritonclient.utils import InferenceServerException

from contract.memory import memory_of
from embedded.dead_stub import STUB_NAME, has_dead_stub
from embedded.listener import listener_of, tcp_listeners
from embedded.part import PartError, SystemPart, free_port, running
from embedded.processes import processes
from embedded.triton import triton_part
from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.inference.client import Inference
from frontend.settings import ROOT
from tests import raw_grpc
from tests.orders import ignore, order
from tests.triton_server import RunningTriton


def stubs_of(pid: int) -> list[int]:
    return [child for child, name, _, parent in processes() if parent == pid and name == STUB_NAME]


def loaded(part: SystemPart) -> set[str]:
    return {word.removeprefix("--load-model=") for word in part.command if word.startswith("--load-model=")}


def test_a_network_in_two_repositories_is_left_out(
    tiny_repository: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(tiny_repository / "tiny-decoder", tmp_path / "tiny-decoder")
    part = triton_part(data_dir=tmp_path / "data", repositories=[tiny_repository, tmp_path])
    assert loaded(part) >= {"text_to_image", "tiny-denoiser"} and "tiny-decoder" not in loaded(part)
    assert [record.getMessage() for record in caplog.records] == [
        f"left out: model tiny: tiny-decoder is both in {tiny_repository} and in {tmp_path}: remove one"
    ]


def test_a_missing_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PartError, match="does not exist"):
        triton_part(data_dir=tmp_path, repositories=[tmp_path / "nowhere"])


def test_network_that_needs_a_backend_of_nvidias_image_is_left_out(
    tiny_repository: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(tiny_repository / "tiny-denoiser", tmp_path / "models" / "eros-denoiser")
    shutil.copytree(tiny_repository / "tiny-decoder", tmp_path / "models" / "tiny-decoder")
    (tmp_path / "models" / "eros-denoiser" / "config.pbtxt").write_text('backend: "tensorrt"\n')
    part = triton_part(data_dir=tmp_path / "data", repositories=[tmp_path / "models"])
    assert "tiny-decoder" in loaded(part) and "eros-denoiser" not in loaded(part)
    assert "left out: model eros: " in caplog.text


@pytest.mark.triton
async def test_model_that_triton_cannot_load_stops_no_other_one(
    tiny_repository: Path, tmp_path: Path
) -> None:
    """What Triton can draw with it tells anybody who asks; the broken one is not among it."""
    models = tmp_path / "models"
    shutil.copytree(tiny_repository, models)
    for name in ("text-encoder", "denoiser", "decoder"):
        shutil.copytree(tiny_repository / f"tiny-{name}", models / f"alto-{name}")
        config = models / f"alto-{name}" / "config.pbtxt"
        config.write_text(config.read_text().replace("tiny-", "alto-"))
    (models / "alto-denoiser" / "1" / "model.onnx").write_bytes(b"half of a download")
    shutil.rmtree(models / "tiny-denoiser--cleo" / "1")
    part = triton_part(data_dir=tmp_path / "data", repositories=[models], threads=1)
    async with running(part, tmp_path):
        inference = Inference([part.url], timeout_s=60)
        try:
            (inventory,) = (await inference.inventories()).values()
            assert inventory is not None and list(inventory) == ["tiny"]
            assert {"aya", "bella", "cleo"} & inventory["tiny"].characters == {"aya", "bella"}
            assert await inference.ready()
            assert (await inference.text_to_image(order(), ignore)).pixels.shape == (64, 128, 3)
            with pytest.raises(InferenceError, match="alto-denoiser"):
                await inference.text_to_image(order(model="alto"), ignore)
        finally:
            await inference.close()
    gone = Inference([part.url], timeout_s=1)
    assert await gone.inventories() == {part.url: None}
    await gone.close()


async def test_nothing_that_does_not_listen_is_ready(tmp_path: Path) -> None:
    assert not await triton_part(data_dir=tmp_path, repositories=[]).ready()


async def test_only_grpc_listens_and_only_on_a_socket_for_this_user(triton: RunningTriton) -> None:
    socket = Path(triton.url.removeprefix("unix:"))
    assert listener_of(socket) == triton.pid
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert list(tcp_listeners(triton.pid)) == []


async def test_no_header_opens_what_is_closed(triton: RunningTriton) -> None:
    """A key that opened it would stand in Triton's command line."""
    path, load = triton.url.removeprefix("unix:"), b"\x12\x01x"  # RepositoryModelLoadRequest(model_name="x")
    command = Path(f"/proc/{triton.pid}/cmdline").read_bytes().split(b"\0")
    (option,) = (word for word in command if word.startswith(b"--grpc-restricted-protocol="))
    name, _, value = option.rpartition(b":")[2].partition(b"=")
    for sent in (name, name.lower(), name.replace(b" ", b"-").lower(), name.replace(b" ", b"%20")):
        header = (b"triton-grpc-protocol-" + sent, value)
        said = await raw_grpc.call(path, "RepositoryModelLoad", load, [header])
        assert b"restricted" in said or b"Missing :method" in said, said
    # The same call of what is open, with a header that gRPC takes, is answered.
    assert b"grpc-status\x010" in await raw_grpc.call(path, "ServerLive", b"", [(b"some-name", value)])


async def test_protocols_that_hand_the_server_over_are_closed(triton: RunningTriton) -> None:
    async with triton_aio.InferenceServerClient(triton.url) as client:
        calls = [
            client.load_model("tiny-denoiser--aya"),
            client.unload_model("tiny-denoiser"),
            client.get_model_repository_index(),
            client.register_system_shared_memory("region", "/region", 64),
            client.get_system_shared_memory_status(),
            client.get_cuda_shared_memory_status(),
            client.update_trace_settings(settings={"trace_level": "TIMESTAMPS"}),
            client.update_log_settings({"log_file": "/tmp/log"}),
        ]
        for call in calls:
            with pytest.raises(InferenceServerException, match="restricted"):
                await call
        assert await client.is_model_ready("tiny-denoiser")


async def test_model_control_is_closed_to_clients(triton: RunningTriton) -> None:
    inputs = []
    for name, value in {"key": "", "action": "unload", "model": "tiny-denoiser--aya"}.items():
        inputs.append(InferInput(name, [1], "BYTES"))
        inputs[-1].set_data_from_numpy(np.array([value.encode()], dtype=np.object_))
    async with triton_aio.InferenceServerClient(triton.url) as client:
        with pytest.raises(InferenceServerException, match="only text_to_image and imgen may use it"):
            await client.infer("model_control", inputs)


def test_the_key_of_model_control_is_private(triton: RunningTriton) -> None:
    key = triton.log.parent / "triton" / "tmp" / f"imgen-{triton.pid}.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.triton
async def test_a_dead_stub_is_noticed(tmp_path: Path, tiny_repository: Path) -> None:
    (tmp_path / "models").mkdir()
    shutil.copytree(tiny_repository / "tiny-decoder", tmp_path / "models" / "tiny-decoder")
    port = free_port()
    part = triton_part(data_dir=tmp_path, repositories=[tmp_path / "models"], port=port, threads=1)
    async with running(part, tmp_path) as process:
        ((address, heard),) = tcp_listeners(process.pid)  # by choice, and nothing beside it
        assert (part.url, heard) == (f"127.0.0.1:{port}", port)
        assert address.endswith("0100007F")  # 127.0.0.1, as such or mapped into IPv6
        # text_to_image, model_control, prompt-encoder and the decoder
        assert len(stubs_of(process.pid)) == 4 and not await has_dead_stub(process.pid)
        os.kill(stubs_of(process.pid)[0], signal.SIGKILL)
        async with asyncio.timeout(20):
            while not await has_dead_stub(process.pid):
                await asyncio.sleep(0.1)


@pytest.mark.triton
async def test_paths_that_a_shell_would_take_apart_are_served_like_others(
    tmp_path: Path, tiny_repository: Path
) -> None:
    folder = tmp_path / "a new; $(comer)'s"
    shutil.copytree(tiny_repository / "tiny-decoder", folder / "models" / "tiny-decoder")
    part = triton_part(data_dir=folder / "data", repositories=[folder / "models"], threads=1)
    async with running(part, tmp_path), triton_aio.InferenceServerClient(part.url) as client:
        assert await client.is_model_ready("tiny-decoder")


@pytest.mark.triton
async def test_order_that_does_not_fit_the_memory_is_refused_before_anything_is_drawn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = ROOT / "demo" / "models"
    memory = memory_of([models], "eros")
    assert memory is not None
    limit = (memory.loaded + memory.pictures[1216, 832] >> 20) + 1
    part = triton_part(data_dir=tmp_path, repositories=[models], threads=1, memory_mb=limit)
    assert "orders are refused of 1344x768, 1024x1024, " in caplog.text
    async with running(part, tmp_path):
        inference = Inference([part.url], timeout_s=60)
        try:
            (inventory,) = (await inference.inventories()).values()
            assert inventory is not None
            why = inventory["eros"].too_large["1024x1024"]
            assert "1216x832" not in inventory["eros"].too_large
            with pytest.raises(InferenceError, match=f"REFUSED: {why}") as refused:
                await inference.text_to_image(order(model="eros", width=1024, height=1024), ignore)
            assert refused.value.scope is FailureScope.ORDER
        finally:
            await inference.close()


def test_model_that_does_not_fit_the_memory_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part = triton_part(data_dir=tmp_path, repositories=[ROOT / "demo" / "models"], memory_mb=400)
    assert loaded(part) == {"text_to_image", "model_control", "prompt-encoder"}
    assert (
        "left out: model eros: it and its smallest picture take about 0.9 GiB of memory; there is"
        in caplog.text
    )


@pytest.mark.triton
async def test_triton_that_cannot_load_what_draws_is_told_at_once(
    tmp_path: Path, tiny_repository: Path
) -> None:
    """Other models may fail to load; without this one nothing can be drawn."""
    (tmp_path / "models").mkdir()
    part = triton_part(data_dir=tmp_path, repositories=[tmp_path / "models"], threads=1)
    lame = {**part.environment, "IMGEN_TRITON_SITE": str(tmp_path / "nowhere")}
    with pytest.raises(PartError, match=r"Triton could not load text_to_image; see .*triton\.log: "):
        async with running(replace(part, environment=lame), tmp_path):
            raise AssertionError("it serves")


def test_regions_that_a_killed_triton_left_are_removed(tmp_path: Path) -> None:
    option = "--backend-config=python,shm-region-prefix-name="
    part = triton_part(data_dir=tmp_path, repositories=[])
    prefix = next(item for item in part.command if item.startswith(option)).removeprefix(option)
    left, others = Path("/dev/shm") / f"{prefix}left", Path("/dev/shm") / f"not-{prefix}"
    left.touch()
    others.touch()
    try:
        triton_part(data_dir=tmp_path, repositories=[])
        assert not left.exists() and others.exists()
    finally:
        others.unlink()


async def test_shared_memory_is_private_though_triton_would_have_it_otherwise(triton: RunningTriton) -> None:
    regions = set()
    for pid in [triton.pid, *stubs_of(triton.pid)]:
        maps = await asyncio.to_thread(Path(f"/proc/{pid}/maps").read_text)
        regions |= {Path(path) for path in re.findall(r"(/dev/shm/\S+)$", maps, re.MULTILINE)}
    modes = [stat.S_IMODE(region.stat().st_mode) for region in regions]
    assert modes and set(modes) == {0o600}


def test_what_was_compiled_for_networks_that_are_gone_is_removed_and_links_are_not_followed(
    tiny_repository: Path, tmp_path: Path
) -> None:
    compiled, precious = tmp_path / "data" / "triton" / "compiled", tmp_path / "precious.tmp"
    for name in ("tiny-decoder/one", "tiny-decoder/two.tmp", "tiny-denoiser--gone/one"):
        (compiled / name).mkdir(parents=True)
    precious.mkdir()
    (compiled / "link").symlink_to(tmp_path)
    (compiled / "tiny-decoder" / "link.tmp").symlink_to(precious)
    triton_part(data_dir=tmp_path / "data", repositories=[tiny_repository])
    assert sorted(path.name for path in compiled.iterdir()) == ["link", "tiny-decoder"]
    assert sorted(path.name for path in (compiled / "tiny-decoder").iterdir()) == ["link.tmp", "one"]
    assert precious.is_dir()


def test_a_runtime_and_a_precision_that_are_fixed_reach_triton(tiny_repository: Path, tmp_path: Path) -> None:
    free = triton_part(data_dir=tmp_path / "free", repositories=[tiny_repository])
    assert not {"IMGEN_CPU_RUNTIME", "IMGEN_CPU_PRECISION"} & set(free.environment)  # as the environment says
    fixed = triton_part(
        data_dir=tmp_path / "fixed",
        repositories=[tiny_repository],
        cpu_runtime="onnxruntime",
        cpu_precision="f32",
    )
    assert fixed.environment["IMGEN_CPU_RUNTIME"] == "onnxruntime"
    assert fixed.environment["IMGEN_CPU_PRECISION"] == "f32"
