"""`kill -9` of the API server at 20 random moments: every accepted job is finished, once."""

import hashlib
import os
import random
import signal
import time
from pathlib import Path

import requests
from requests.exceptions import ConnectionError as NotConnected

from tests.system.running import System, children_of, running

MOMENTS = 20


def frontend_of(system: System) -> int | None:
    for pid in children_of(system.pid):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"serve" in command and b"cli.main" in command:
            return pid
    return None


def submit(system: System, number: int) -> str:
    """As a careful client does: the same idempotency key until there is an answer."""
    body = {
        "action": "generate",
        "prompt": f"{number} red balloons, -rain",
        "seed": number,
        "width": 1024,
        "height": 1024,
        "idempotency_key": f"order-{number}",
    }
    deadline = time.monotonic() + 60
    while True:
        try:
            job_id: str = system.post(body)["id"]
            return job_id
        except (NotConnected, ValueError):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_no_job_is_lost_or_shown_twice(tmp_path: Path) -> None:
    rng = random.Random(20261123)
    settings = {"IMGEN_JOB_LEASE_S": "1.0", "IMGEN_JOB_ATTEMPTS": "50", "IMGEN_JOB_DEADLINE_S": "900"}
    with running(tmp_path, **settings) as system:
        jobs = []
        for number in range(MOMENTS):
            jobs.append(submit(system, number))
            time.sleep(rng.uniform(0.0, 1.0))
            if (pid := frontend_of(system)) is not None:
                os.kill(pid, signal.SIGKILL)
        jobs += [submit(system, number) for number in range(MOMENTS)]  # repeated orders are the same jobs
        assert jobs[:MOMENTS] == jobs[MOMENTS:]
        assert len(set(jobs)) == MOMENTS
        seen = {}
        for job_id in jobs[:MOMENTS]:
            state = system.until_final(job_id)
            assert state["status"] == "COMPLETED", state
            again = system.post({"action": "status", "id": job_id})
            names = [image["filename"] for image in state["meta"]["images"]]
            assert [image["filename"] for image in again["meta"]["images"]] == names
            data = requests.get(again["meta"]["images"][0]["url"], timeout=30).content
            seen[job_id] = hashlib.sha256(data).hexdigest()
        assert len(set(seen.values())) == MOMENTS
        # What dead workers left half-made is never reachable: of each job one attempt's files are named.
        pictures = list((tmp_path / "files").rglob("*_00001.jpg"))
        shown = [hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures]
        assert set(seen.values()) <= set(shown)
