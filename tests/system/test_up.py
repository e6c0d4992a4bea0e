"""`imgen up` and `imgen down`: nothing is left running, nothing that was accepted is lost."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import requests

from frontend.settings import ROOT
from tests.system.running import System, alive, children_of, imgen, running, start, stop

PROMPT = "a lighthouse by the sea, -rain"


def gone(pids: set[int]) -> bool:
    deadline = time.monotonic() + 30
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not alive(pids)


def test_generate_writes_a_picture(system: System, tmp_path: Path) -> None:
    output = tmp_path / "picture.webp"
    done = system.imgen(
        "generate", "@bella in a park, -rain", "-o", str(output), "--size", "1024x1024", "--seed", "3"
    )
    assert done.returncode == 0, done.stderr
    assert output.read_bytes()[8:12] == b"WEBP"


def test_picture_is_reviewed_and_fetched_where_the_api_listens_on_all_addresses(tmp_path: Path) -> None:
    output = tmp_path / "picture.jpg"
    with running(tmp_path, "--no-llm", IMGEN_HOST="0.0.0.0") as system:
        done = system.imgen("generate", "a red car on the beach", "-o", str(output), "--size", "1024x1024")
        assert done.returncode == 0, done.stderr
    assert output.read_bytes()[:2] == b"\xff\xd8"


def test_optimize_and_random_work_out_of_the_box(system: System) -> None:
    random = system.post({"action": "random", "character": "aya"})["prompt"]
    assert random.startswith("@aya ")
    deadline = time.monotonic() + 60
    while not requests.get(f"{system.url}/readyz", timeout=10).json()["parts"]["llm"]:
        assert time.monotonic() < deadline, "the language model never came up"
        time.sleep(0.5)
    better = system.post({"action": "optimize", "prompt": "@aya old lighthouse, storm, -rain"})["prompt"]
    assert better.startswith("@aya ")
    assert better.endswith(", -rain")


def test_blocked_by_the_reference_reviewer(system: System) -> None:
    job = system.post({"action": "generate", "prompt": "a scene of gore"})
    state = system.until_final(job["id"])
    assert (state["compliance"], "meta" in state) == ("unsafe", False)
    assert state["error"].startswith("Content blocked — flagged for: ")


def test_keys_are_created_listed_and_disabled(system: System) -> None:
    secret = system.imgen("keys", "create", "studio").stdout.strip()
    other = System(system.url, secret, system.pid, system.folder, system.environment)
    assert "models" in other.post({"action": "models"})
    assert "studio" in system.imgen("keys", "list").stdout
    assert system.imgen("keys", "disable", "studio").returncode == 0
    assert other.post({"action": "models"}) == {"error": "Unauthorized"}
    assert system.imgen("keys", "disable", "nobody").returncode == 2


def test_secrets_are_for_this_user_only(system: System) -> None:
    for name in ("key", "up.json", "files.key"):
        assert stat.S_IMODE((system.folder / name).stat().st_mode) == 0o600, name
    private = [path for path in system.folder.rglob("*.pem") if b"PRIVATE KEY" in path.read_bytes()]
    assert private
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in private)
    logs = list((system.folder / "logs").iterdir())
    assert {"up.log", "frontend.log"} <= {log.name for log in logs}
    for log in logs:
        assert stat.S_IMODE(log.stat().st_mode) == 0o600, log
        assert system.key not in log.read_text(errors="replace"), log


def test_second_up_on_the_same_folder_is_refused_in_one_line(system: System) -> None:
    done = imgen(system.environment, "up", "--detach")
    assert done.returncode == 2
    assert done.stderr.startswith("imgen: already running") and done.stderr.count("\n") == 1


def test_interrupt_while_starting_ends_in_one_word_and_leaves_nothing_running(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "cli.main", "up", "--no-llm"],
        env={**os.environ, "IMGEN_DATA_DIR": str(tmp_path), "IMGEN_PORT": "0"},
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr
        assert "starting" in process.stderr.readline()
        while not (started := children_of(process.pid)):  # the merges of the characters
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.stderr.read().split() == ["stopping", "…", "stopped"]
    assert process.returncode == 130
    assert gone(started)


def test_down_keeps_accepted_jobs_and_leaves_nothing_running(tmp_path: Path) -> None:
    first = start(tmp_path, IMGEN_WORKERS="1")
    processes = children_of(first.pid) | {first.pid}
    jobs = [first.post({"action": "generate", "prompt": PROMPT, "seed": seed})["id"] for seed in range(3)]
    stop(first)
    assert gone(processes)
    assert imgen(first.environment, "down").stdout.startswith("nothing runs")
    with running(tmp_path) as second:
        assert second.key == first.key
        states = [second.until_final(job) for job in jobs]
        assert [state["status"] for state in states] == ["COMPLETED"] * 3
        processes = children_of(second.pid)
        # Even an unkind end of the supervisor takes its parts along.
        os.kill(second.pid, signal.SIGKILL)
        assert gone(processes)
