"""`imgen generate` waits for servers that are away, and cancels what nobody waits for."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cli.client import ServerAccess
from cli.main import main
from cli.order import ClientOrder
from cli.order_run import DrawnPicture, OrderRun
from cli.output_name import OutputName
from cli.waiting import describe_phase
from frontend.settings import ROOT
from imgen_client import Status
from tests.cli.server import DEAD, PICTURE, Answer, completed, serving

DRAWING: Answer = (200, {"status": "IN_PROGRESS", "progress": 0.5})


def test_order_without_an_answer_is_sent_again_with_the_same_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    orders: list[str] = []

    def answer(body: dict[str, Any], url: str) -> Answer | None:
        if body["action"] == "status":
            return completed(url)
        orders.append(body["idempotency_key"])
        return DEAD if len(orders) == 1 else (200, {"id": "run_1"})

    monkeypatch.chdir(tmp_path)
    with serving(answer) as url:
        assert main(["generate", "a red car", "--url", url, "--key", "k"]) == 0
        assert main(["generate", "a red car", "--url", url, "--key", "k"]) == 0
    assert orders[0] == orders[1] != orders[2]
    # Without -o a file is named after prompt and seed, and none is overwritten.
    names = ["a-red-car-on-the-beach-7-2.webp", "a-red-car-on-the-beach-7.webp"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert "A red car, on the beach\n" in capsys.readouterr().out


@pytest.mark.parametrize("away", [DEAD, (502, {"error": "Bad gateway"})])
def test_server_that_is_away_for_a_moment_costs_no_picture(away: Answer | None, tmp_path: Path) -> None:
    asked: Counter[str] = Counter()

    def answer(body: dict[str, Any], url: str) -> Answer | None:
        asked[body["action"]] += 1
        if body["action"] == "generate":
            return 200, {"id": "run_1"}
        return away if asked["status"] == 1 else completed(url)

    with serving(answer) as url:
        output = tmp_path / "q.webp"
        assert main(["generate", "a red car", "--url", url, "--key", "k", "-o", str(output)]) == 0
    assert output.read_bytes() == PICTURE
    assert asked["status"] == 2


async def test_server_that_goes_away_for_good_is_told_with_the_jobs_id() -> None:
    def answer(body: dict[str, Any], url: str) -> Answer | None:
        return (200, {"id": "run_1"}) if body["action"] == "generate" else DEAD

    told: list[DrawnPicture] = []
    order = ClientOrder(1, "a red car", {}, "key")
    with serving(answer) as url:
        run = OrderRun(ServerAccess(url, "k"), [order], OutputName(None), None, patience_s=0)
        await run.draw(told.append)
    assert str(told[0].error).endswith("; the job is run_1")


@pytest.mark.parametrize("moment", ["generate", "status"])
def test_interrupt_cancels_the_job_also_before_its_id_has_come(moment: str) -> None:
    asked: list[dict[str, Any]] = []
    running: list[int] = []

    def answer(body: dict[str, Any], url: str) -> Answer | None:
        asked.append(body)
        if [each["action"] for each in asked].count(moment) == 1 and body["action"] == moment:
            os.kill(running[0], signal.SIGINT)  # known by now: an interpreter takes longer to start
            return DEAD if moment == "generate" else DRAWING
        match body["action"]:
            case "generate":
                return 200, {"id": "run_1"}
            case "cancel":
                return 200, {"status": "CANCELLED"}
        return DRAWING

    with serving(answer) as url:
        command = [sys.executable, "-m", "cli.main", "generate", "a red car", "--url", url, "--key", "k"]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        running.append(process.pid)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "cancelled\n")
    assert asked[-1] == {"action": "cancel", "id": "run_1"}
    keys = {body["idempotency_key"] for body in asked if body["action"] == "generate"}
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"status": "IN_QUEUE", "progress": 0.0, "queue_position": 3}, "waiting, number 3 in line"),
        ({"status": "IN_PROGRESS", "progress": 0.0}, "starting"),
        ({"status": "IN_PROGRESS", "progress": 0.5}, "drawing"),
        ({"status": "IN_PROGRESS", "progress": 10 / 11}, "decoding and checking"),
    ],
)
def test_bar_names_what_is_done_and_leaves_room_for_the_rest(told: dict[str, Any], words: str) -> None:
    named, share = describe_phase(Status(answer=told, **told))
    assert named == words
    assert share < 0.9
