"""Parts are started, started again, and stopped, whatever happens to them. They are real processes."""

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from embedded.logs import MAX_BYTES
from embedded.part import PartError, SystemPart, assume_healthy
from embedded.supervisor import describe_cause, supervise

pytestmark = pytest.mark.slow  # parts that die are awaited
TOUCH_AND_SLEEP = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text('up'); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + TOUCH_AND_SLEEP


def sleeper(
    folder: Path,
    name: str,
    code: str = TOUCH_AND_SLEEP,
    *,
    background: bool = False,
    is_unhealthy: Callable[[int], Awaitable[bool]] = assume_healthy,
) -> SystemPart:
    flag = folder / name

    async def ready() -> bool:
        return flag.exists()

    return SystemPart(
        name=name,
        url="",
        command=(sys.executable, "-c", code, str(flag)),
        ready=ready,
        background=background,
        is_unhealthy=is_unhealthy,
        start_timeout_s=20,
        stop_timeout_s=0.5,
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_part_that_is_started_again_does_what_it_is_told_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part, later = sleeper(tmp_path, "one"), tmp_path / "two"

    def next_command() -> tuple[str, ...]:
        return (*part.command[:-1], str(later))

    async with supervise([[replace(part, next_command=next_command)]], tmp_path, print) as running:
        first = running["one"].pid
        assert first is not None and not later.exists()
        os.kill(first, signal.SIGKILL)
        await until(lambda: later.exists() and "one is back after" in caplog.text)


async def test_killed_part_is_started_again_and_that_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    async with supervise([[sleeper(tmp_path, "one")]], tmp_path, said.append) as running:
        first = running["one"].pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: running["one"].pid != first)
        second = running["one"].pid
        assert second is not None and exists(second)
        await until(lambda: "one is back after" in caplog.text)
    assert "one was killed (signal 9); starting it again" in caplog.text
    assert said == ["one"]
    assert not exists(second)


@pytest.mark.parametrize(
    ("returncode", "words"), [(None, "is unhealthy"), (-9, "was killed (signal 9)"), (3, "ended (exit 3)")]
)
def test_cause_of_a_restart_is_told(returncode: int | None, words: str) -> None:
    assert describe_cause(returncode) == words


async def test_unhealthy_part_is_replaced(tmp_path: Path) -> None:
    sick: set[int] = set()

    async def is_unhealthy(pid: int) -> bool:
        return pid in sick

    async with supervise(
        [[sleeper(tmp_path, "one", is_unhealthy=is_unhealthy)]], tmp_path, lambda _: None
    ) as running:
        first = running["one"].pid
        assert first is not None
        sick.add(first)
        await until(lambda: running["one"].pid != first)
        assert not exists(first)


async def test_part_that_ends_while_starting_stops_all_and_names_its_log(tmp_path: Path) -> None:
    dying = "import sys; print('fatal: no such device'); print('bye'); sys.exit(3)"
    good, bad = sleeper(tmp_path, "good"), sleeper(tmp_path, "bad", dying)
    told = r"bad ended while starting \(exit 3\); see .*bad\.log: fatal: no such device$"
    with pytest.raises(PartError, match=told):
        async with supervise([[good, bad]], tmp_path, lambda _: None):
            raise AssertionError("a broken system was handed out")


async def test_background_part_is_not_waited_for_and_its_failure_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = sleeper(tmp_path, "broken", "import sys; sys.exit(1)", background=True)
    async with supervise([[broken, sleeper(tmp_path, "good")]], tmp_path, lambda _: None) as running:
        good = running["good"].pid
        assert good is not None
        await running["broken"].settled.wait()
        assert running["good"].settled.is_set()
        await until(lambda: "broken ended while starting" in caplog.text)
        assert exists(good)


async def test_part_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    async with supervise([[sleeper(tmp_path, "one", STUBBORN)]], tmp_path, lambda _: None) as running:
        pid = running["one"].pid
        assert pid is not None
    assert not exists(pid)


async def test_logs_are_kept_bounded_while_parts_run(tmp_path: Path) -> None:
    async with supervise([[sleeper(tmp_path, "one")]], tmp_path, lambda _: None):
        log = tmp_path / "one.log"
        os.truncate(log, MAX_BYTES + 1)
        await until(lambda: log.stat().st_size == 0)


async def test_stages_start_one_after_the_other(tmp_path: Path) -> None:
    said: list[str] = []
    stages = [[sleeper(tmp_path, "first")], [sleeper(tmp_path, "second")]]
    async with supervise(stages, tmp_path, said.append):
        assert said == ["first", "second"]


async def test_watch_that_fails_does_not_end_the_watching(tmp_path: Path) -> None:
    asked = 0

    async def is_unhealthy(pid: int) -> bool:
        nonlocal asked
        asked += 1
        raise RuntimeError("nobody thought of this")

    async with supervise(
        [[sleeper(tmp_path, "one", is_unhealthy=is_unhealthy)]], tmp_path, lambda _: None
    ) as running:
        first = running["one"].pid
        assert first is not None
        await until(lambda: asked > 0)
        os.kill(first, signal.SIGKILL)
        await until(lambda: running["one"].pid != first)


async def test_part_is_told_only_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IMGEN_C2PA_KEY_PEM", "IMGEN_DATA_DIR", "AWS_SECRET_ACCESS_KEY", "SOME_TOKEN", "LC_ALL"):
        monkeypatch.setenv(name, "C")
    code = (
        "import json, os, pathlib, sys, time; "
        "beside = pathlib.Path(sys.argv[1] + '.new'); beside.write_text(json.dumps(dict(os.environ))); "
        "beside.rename(sys.argv[1]); time.sleep(600)"
    )
    part = replace(sleeper(tmp_path, "one", code), inherits=("IMGEN_*",), environment={"OWN": "1"})
    async with supervise([[part]], tmp_path / "logs", print):
        told = json.loads((tmp_path / "one").read_text())
    assert {"IMGEN_C2PA_KEY_PEM", "IMGEN_DATA_DIR", "LC_ALL", "OWN", "PATH"} <= told.keys()
    assert not {"AWS_SECRET_ACCESS_KEY", "SOME_TOKEN"} & told.keys()


async def test_part_leaves_nothing_that_others_can_read(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        async with supervise([[sleeper(tmp_path, "one")]], tmp_path / "logs", print):
            assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o600
    finally:
        os.umask(before)
