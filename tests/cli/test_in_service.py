"""A change of the characters is told when the server that runs here has taken it up."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.in_service import wait_until_taken_up
from cli.instance import Instance, Serving
from tests.cli.server import DEAD, MODELS, Answer, serving


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """A data folder that this process seems to serve."""
    made = Instance(tmp_path)
    made.prepare()
    lock = made.hold()
    yield made
    os.close(lock)


def announced(instance: Instance, url: str) -> None:
    instance.announce(Serving(url=url, key="k", pid=os.getpid(), redis_url=""))


@pytest.mark.parametrize(("offered", "name"), [(True, "aya"), (False, "nova")])
def test_server_is_asked_until_it_answers_as_it_should(instance: Instance, offered: bool, name: str) -> None:
    asked: list[str] = []

    def answer(body: dict[str, Any], url: str) -> Answer | None:
        asked.append(body["action"])
        other = (200, {"characters": [] if offered else [name], "models": {}})
        return {1: DEAD, 2: other}.get(len(asked), MODELS)

    with serving(answer) as url:
        announced(instance, url)
        assert wait_until_taken_up(name, instance.folder, offered=offered) is True
    assert asked == ["models"] * 3


def test_server_that_never_does_is_told(instance: Instance) -> None:
    with serving(lambda body, url: MODELS) as url:
        announced(instance, url)
        assert wait_until_taken_up("nova", instance.folder, offered=True, timeout_s=0) is False


def test_nothing_is_waited_for_where_nothing_runs(tmp_path: Path) -> None:
    assert wait_until_taken_up("nova", tmp_path, offered=True) is None
