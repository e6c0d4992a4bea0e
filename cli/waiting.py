"""Waiting for a picture, with a bar that says what is being done."""

import time
from collections.abc import Callable
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.client import RETRY_S, Client, retry_while_away
from cli.console import console
from cli.errors import UserError

POLL_S = 0.4
DRAWN = 0.9  # the API's progress from which the steps are done: decoding, finishing and review remain
STEPS_SHARE = 0.75  # of the time that a picture takes


def await_picture(client: Client, job_id: str, retry_s: float = RETRY_S) -> dict[str, Any]:
    """`meta` of the finished job. A server that is away is waited for: jobs outlive it.

    Raises UserError.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(), transient=True) as bar:
        task = bar.add_task("waiting", total=1.0)

        def ask() -> dict[str, Any]:
            return client.call({"action": "status", "id": job_id})

        def away() -> None:
            bar.update(task, description="server away, asking again")

        while (state := _ask(ask, away, job_id, retry_s))["status"] in ("IN_QUEUE", "IN_PROGRESS"):
            words, share = describe_phase(state)
            bar.update(task, completed=share, description=words)
            time.sleep(POLL_S)
    if state["status"] != "COMPLETED" or state.get("compliance") == "unsafe":
        raise UserError(state.get("error", f"job {job_id} is {state['status']}"))
    meta: dict[str, Any] = state["meta"]
    return meta


def _ask(
    ask: Callable[[], dict[str, Any]], away: Callable[[], None], job_id: str, retry_s: float
) -> dict[str, Any]:
    try:
        return retry_while_away(ask, retry_s, away)
    except UserError as error:
        raise UserError(f"{error}; the job is {job_id}") from None


def describe_phase(state: dict[str, Any]) -> tuple[str, float]:
    """What is being done, and the share of the time that has gone, of an unfinished job's `status`."""
    if state["status"] == "IN_QUEUE":
        return f"waiting, number {state.get('queue_position') or 1} in line", 0.0
    progress = state.get("progress", 0.0)
    words = "starting" if progress == 0 else "drawing" if progress < DRAWN else "decoding and checking"
    return words, min(progress / DRAWN, 1.0) * STEPS_SHARE
