import asyncio
import os
import shutil
import signal
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import InferInput
from tritonclient.utils import InferenceServerException

from embedded.part import PartError, free_port, running
from embedded.triton import STUB_NAME, has_dead_stub, processes, triton_part
from tests.triton_server import RunningTriton


def stubs_of(pid: int) -> list[int]:
    return [child for child, name, _, parent in processes() if parent == pid and name == STUB_NAME]


def listening(pid: int) -> list[tuple[str, int]]:
    """(address, port) of every TCP socket that the process listens on; see proc_pid_net(5)."""
    sockets = {os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()}
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and f"socket:[{columns[9]}]" in sockets:
                address, _, port = columns[1].rpartition(":")
                found.append((address, int(port, 16)))
    return found


def test_a_model_in_two_repositories_is_refused(tiny_repository: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_repository / "tiny-decoder", tmp_path / "tiny-decoder")
    with pytest.raises(PartError, match="model tiny-decoder is both in"):
        triton_part(port=1, data_dir=tmp_path / "data", repositories=[tiny_repository, tmp_path])


def test_a_missing_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PartError, match="does not exist"):
        triton_part(port=1, data_dir=tmp_path, repositories=[tmp_path / "nowhere"])


def test_model_that_needs_a_backend_of_nvidias_image_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "models" / "eros-denoiser"
    model.mkdir(parents=True)
    (model / "config.pbtxt").write_text('name: "eros-denoiser"\nbackend: "tensorrt"\n')
    with pytest.raises(PartError, match=r"eros-denoiser needs the backend tensorrt, .* --engine onnx"):
        triton_part(port=1, data_dir=tmp_path / "data", repositories=[tmp_path / "models"])


async def test_nothing_that_does_not_listen_is_ready(tmp_path: Path) -> None:
    assert not await triton_part(port=free_port(), data_dir=tmp_path, repositories=[]).ready()


def test_python_of_a_stub_is_ours_whatever_comes_first_on_the_path(tmp_path: Path) -> None:
    part = triton_part(port=1, data_dir=tmp_path, repositories=[])
    assert shutil.which("python3", path=part.environment["PATH"]) == f"{sys.base_prefix}/bin/python3"


def test_every_start_has_a_key_of_its_own(tmp_path: Path) -> None:
    parts = [triton_part(port=1, data_dir=tmp_path, repositories=[]) for _ in range(2)]
    keys = [item for part in parts for item in part.command if item.startswith("--grpc-restricted-protocol")]
    assert len(set(keys)) == 2


async def test_only_grpc_listens_and_only_on_loopback(triton: RunningTriton) -> None:
    port = int(triton.url.rpartition(":")[2])
    ((address, heard),) = listening(triton.pid)
    assert heard == port and address.endswith("0100007F")  # 127.0.0.1, as such or mapped into IPv6


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
        with pytest.raises(InferenceServerException, match="only text_to_image may use this model"):
            await client.infer("model_control", inputs)


def test_the_key_of_model_control_is_private(triton: RunningTriton) -> None:
    key = triton.log.parent / "triton" / "tmp" / f"imgen-{triton.pid}.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.triton
async def test_a_dead_stub_is_noticed(tmp_path: Path, tiny_repository: Path) -> None:
    (tmp_path / "models").mkdir()
    shutil.copytree(tiny_repository / "tiny-decoder", tmp_path / "models" / "tiny-decoder")
    part = triton_part(
        port=free_port(),
        metrics_port=free_port(),
        data_dir=tmp_path,
        repositories=[tmp_path / "models"],
        threads=1,
    )
    async with running(part, tmp_path) as process:
        async with asyncio.timeout(20):  # gRPC is ready first, metrics a moment later
            while len(addresses := [address for address, _ in listening(process.pid)]) < 2:
                await asyncio.sleep(0.1)
        assert len(addresses) == 2 and all(address.endswith("0100007F") for address in addresses)
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
    port = free_port()
    part = triton_part(port=port, data_dir=folder / "data", repositories=[folder / "models"], threads=1)
    async with running(part, tmp_path), triton_aio.InferenceServerClient(f"127.0.0.1:{port}") as client:
        assert await client.is_model_ready("tiny-decoder")


def test_regions_that_a_killed_triton_left_are_removed(tmp_path: Path) -> None:
    option = "--backend-config=python,shm-region-prefix-name="
    part = triton_part(port=1, data_dir=tmp_path, repositories=[])
    prefix = next(item for item in part.command if item.startswith(option)).removeprefix(option)
    left, others = Path("/dev/shm") / f"{prefix}left", Path("/dev/shm") / f"not-{prefix}"
    left.touch()
    others.touch()
    try:
        triton_part(port=1, data_dir=tmp_path, repositories=[])
        assert not left.exists() and others.exists()
    finally:
        others.unlink()
