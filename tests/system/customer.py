"""A client that takes care: it asks until it is answered, and notes whatever it is told."""

import base64
import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.system.running import FINAL, System

PATIENCE_S = 300.0


def links(state: dict[str, Any]) -> list[str]:
    """The reviewer's detector takes a harmless picture for another one now and then: a blocked
    picture is a finished job, too."""
    if "unsafe_url" in state:
        return [base64.b64decode(state["unsafe_url"]).decode()]
    return [image["url"] for image in state["meta"]["images"]]


def names(state: dict[str, Any]) -> list[str]:
    return [link.partition("?")[0].rpartition("/")[2] for link in links(state)]


@dataclass(frozen=True)
class Bought:
    number: int
    job_id: str
    state: dict[str, Any]

    @property
    def names(self) -> list[str]:
        return names(self.state)

    def picture(self) -> str:
        """SHA-256 of what the link leads to."""
        response = requests.get(links(self.state)[0], timeout=30)
        return hashlib.sha256(response.content).hexdigest()


@dataclass
class Customer(threading.Thread):
    """Orders one picture after the other until it is told to stop; then waits for the last one."""

    system: System
    numbers: Iterator[int]
    stop: threading.Event
    bought: list[Bought] = field(default_factory=list)
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        try:
            while not self.stop.is_set():
                number = next(self.numbers)
                job_id = self.order(number)
                self.bought.append(Bought(number, job_id, self.wait(job_id)))
        except BaseException as error:
            self.failure = error

    def order(self, number: int) -> str:
        body = {
            "action": "generate",
            "prompt": f"{number} red balloons, -rain",
            "seed": number,
            "width": 1024,
            "height": 1024,
            "idempotency_key": f"order-{number}",
        }
        job_id: str = self.ask(body)["id"]
        return job_id

    def wait(self, job_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while (state := self.ask({"action": "status", "id": job_id}))["status"] not in FINAL:
            assert time.monotonic() < deadline, state
            time.sleep(0.05)
        return state

    def ask(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer, however often the server dies on it. An error of our own ends the test."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                response = self.system.send(body)
                if response.status_code < 500:
                    assert response.status_code == 200, (body, response.text)
                    answer: dict[str, Any] = response.json()
                    return answer
            except requests.RequestException:
                pass
            assert time.monotonic() < deadline, body
            time.sleep(0.05)
