"""A job that passes a limit is lost, and nothing else is; what runs in a cell reaches nothing outside."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from frontend.cells import cells as cells_module
from frontend.cells.cells import Cells
from frontend.cells.limits import CellLimits, CellRefusal, LimitKind, LimitPassed
from frontend.common.errors import ApiError
from frontend.services import FOREIGN_BYTES
from tests.frontend.cells import functions

LIMITS = CellLimits(cpu_s=0.5, wall_s=20.0, memory_bytes=256 << 20)
TABLE = (
    functions.reverse,
    functions.refuse,
    functions.break_down,
    functions.spin,
    functions.spin_a_while,
    functions.hang,
    functions.grow,
    functions.crash,
    functions.abort,
    functions.process_id,
    functions.environment,
    functions.modules,
    functions.descriptors,
    functions.attempt,
)


@pytest.fixture(scope="module")
def pool() -> Iterator[Cells]:
    cells = Cells(TABLE, LIMITS, 1)
    yield cells
    cells.close()


def ended(limit: LimitKind) -> float:
    return REGISTRY.get_sample_value("imgen_cells_ended_total", {"limit": limit}) or 0.0


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_function_is_given_bytes_and_gives_bytes(pool: Cells, size: int) -> None:
    data = os.urandom(size)
    assert pool.call(functions.reverse, data) == data[::-1]


async def test_it_is_called_from_an_event_loop(pool: Cells) -> None:
    found = await asyncio.gather(*(pool.run(functions.reverse, b"%03d" % one) for one in range(100)))
    assert found == [(b"%03d" % one)[::-1] for one in range(100)]


def test_its_value_error_is_a_refusal_in_its_words_and_at_most_200_of_them(pool: Cells) -> None:
    with pytest.raises(CellRefusal, match=r"^no such picture$"):
        pool.call(functions.refuse, b"no such picture")
    with pytest.raises(CellRefusal) as caught:
        pool.call(functions.refuse, b"x" * 10_000)
    assert str(caught.value) == "x" * 200


def test_nothing_of_its_words_is_a_command_to_a_terminal(pool: Cells) -> None:
    with pytest.raises(CellRefusal, match=r"^\?\[2J\?1$"):
        pool.call(functions.refuse, b"\x1b[2J\n1")


def test_any_other_error_tells_its_name_alone(pool: Cells) -> None:
    with pytest.raises(RuntimeError, match=r"^break_down: KeyError$"):
        pool.call(functions.break_down, b"")


@pytest.mark.parametrize(
    ("function", "data", "limit"),
    [
        (functions.spin, b"", LimitKind.CPU),
        (functions.grow, b"400000000", LimitKind.MEMORY),
        (functions.abort, b"", LimitKind.MEMORY),
        (functions.crash, b"", LimitKind.CRASH),
    ],
)
def test_job_that_passes_a_limit_is_ended_by_it_and_its_cell_replaced(
    pool: Cells, function: cells_module.CellFunction, data: bytes, limit: LimitKind
) -> None:
    before, process = ended(limit), pool.call(functions.process_id, b"")
    with pytest.raises(LimitPassed) as caught:
        pool.call(function, data)
    assert (caught.value.limit, ended(limit)) == (limit, before + 1)
    assert pool.call(functions.process_id, b"") != process
    assert not Path(f"/proc/{process.decode()}").exists()


def test_job_that_sleeps_is_ended_by_the_clock_on_the_wall() -> None:
    cells = Cells(TABLE, CellLimits(cpu_s=5.0, wall_s=0.5, memory_bytes=256 << 20), 1)
    try:
        with pytest.raises(LimitPassed) as caught:
            cells.call(functions.hang, b"")
        assert caught.value.limit is LimitKind.WALL
        assert cells.call(functions.reverse, b"ab") == b"ba"
    finally:
        cells.close()


def test_time_of_earlier_jobs_is_not_counted(pool: Cells) -> None:
    process = pool.call(functions.process_id, b"")
    for _ in range(40):
        pool.call(functions.reverse, bytes(8_000_000))
    assert pool.call(functions.process_id, b"") == process


def test_cell_that_was_killed_while_idle_costs_no_job(pool: Cells) -> None:
    process = int(pool.call(functions.process_id, b""))
    os.kill(process, signal.SIGKILL)
    while _state(process) not in ("Z", ""):
        time.sleep(0.01)
    assert pool.call(functions.reverse, b"ab") == b"ba"


@pytest.mark.parametrize("what", functions.ATTEMPTS)
def test_nothing_outside_is_reached(pool: Cells, tmp_path: Path, what: str) -> None:
    file = tmp_path / "file"
    file.write_text("secret")
    found = pool.call(functions.attempt, f"{what}\n{file}".encode())
    assert found in (b"PermissionError", b"OSError", b"RuntimeError")
    assert file.read_text() == "secret"
    assert pool.call(functions.reverse, b"ab") == b"ba"


def test_at_most_five_descriptors_are_open(pool: Cells) -> None:
    """Three lead nowhere, one to the server, Python may keep one of the shared memory, which is sealed."""
    found = eval(pool.call(functions.descriptors, b""))
    assert len(found) in (4, 5) and found[:3] == [0, 1, 2]


def test_nothing_of_the_servers_environment_is_there(pool: Cells) -> None:
    assert os.environ["PATH"]
    told = pool.call(functions.environment, b"").decode()
    assert "PATH'" not in told.replace("PYTHONPATH'", "")


def test_no_more_than_is_needed_is_imported() -> None:
    """Each cell's own memory: arrays, network and keys are the server's."""
    cells = Cells((*FOREIGN_BYTES, functions.modules), LIMITS, 1)
    try:
        found = cells.call(functions.modules, b"").decode().split()
    finally:
        cells.close()
    assert {"PIL", "c2pa", "msgspec"} <= set(found)
    assert not {"numpy", "aiohttp", "redis", "cryptography", "prometheus_client", "cv2", "asyncio"} & set(
        found
    )


def test_cells_start_on_demand_no_more_than_are_needed_or_let() -> None:
    cells = Cells(TABLE, LIMITS, 2, on_demand=True)
    try:
        assert not cells.pids
        processes = {cells.call(functions.process_id, b"") for _ in range(5)}
        assert processes == {str(pid).encode() for pid in cells.pids} and len(processes) == 1
        with ThreadPoolExecutor(8) as threads:
            while len(processes) < 2:
                processes.update(threads.map(partial(cells.call, functions.spin_a_while), [b"0.1"] * 16))
        assert processes == {str(pid).encode() for pid in cells.pids}
    finally:
        cells.close()


def test_cells_that_do_not_start_are_told_as_busy() -> None:
    def nowhere(data: bytes) -> bytes:  # not found by its name
        return data

    cells = Cells((nowhere,), LIMITS, 1, max_wait_s=0.2)
    try:
        with pytest.raises(ApiError) as caught:
            cells.call(nowhere, b"")
    finally:
        cells.close()
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "5"})


def test_closed_pool_leaves_no_process() -> None:
    cells = Cells(TABLE, LIMITS, 2)
    assert cells.call(functions.reverse, b"ab") == b"ba"
    found = cells.pids
    cells.close()
    assert 1 <= len(found) <= 2  # the second one may still have been starting
    assert not any(Path(f"/proc/{pid}").exists() for pid in found)


def test_cells_end_with_a_server_that_is_killed() -> None:
    program = (
        "import sys; from frontend.cells.cells import Cells; import tests.frontend.cells.test_cells as t;"
        "cells = Cells(t.TABLE, t.LIMITS, 1);"
        "print(cells.call(t.functions.process_id, b'').decode(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=cells_module.ROOT,
        text=True,
    ) as server:
        assert server.stdout is not None
        cell = int(server.stdout.readline())
        server.kill()
        deadline = time.monotonic() + 10
        while _state(cell) not in ("Z", ""):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def _state(pid: int) -> str:
    """As ps has it; "" where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
