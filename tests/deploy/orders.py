"""One order, from a key to a link, on whatever runs here."""

import re
import time
from collections.abc import Callable

import requests

FINAL = ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED")
PATIENCE_S = 180.0


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def draw(url: str, key: str, authority: str | bool = True) -> str:
    """The link to a picture that was made and let through. `authority`: who signed `url`'s certificate."""

    def call(**body: object) -> dict[str, object]:
        headers = {"Authorization": f"Bearer {key}"}
        done = requests.post(url, json=body, headers=headers, timeout=30, verify=authority)
        answer: dict[str, object] = done.json()
        return answer

    order = call(action="generate", model="eros", prompt="a red boat", format="webp", size="672x384")
    assert "id" in order, order
    state: dict[str, object] = {}

    def ended() -> bool:
        state.update(call(action="status", id=order["id"]))
        return state["status"] in FINAL

    until(ended)
    assert state["status"] == "COMPLETED", state
    match = re.search(r"https?://[^\"']+\.webp[^\"']*", str(state))
    assert match, state
    return match[0]
