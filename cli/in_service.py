"""Whether the server that runs here has taken up a change of the catalogue."""

import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cli.client import ServerAccess, as_user_errors
from cli.errors import UserError
from cli.instance import Instance

if TYPE_CHECKING:
    from imgen_client import Client

Kind = Literal["characters", "models"]
TIMEOUT_S = 30.0  # a server looks every second; a busy one is slow to answer
PAUSE_S = 0.2


def wait_until_taken_up(
    name: str,
    data_dir: Path,
    *,
    offered: bool,
    kind: Kind = "characters",
    timeout_s: float = TIMEOUT_S,
) -> bool | None:
    """Waits until the action `models` lists the name, or no longer does. None: no server runs on this
    folder."""
    instance = Instance(data_dir)
    try:
        serving = instance.running()
    except UserError:
        return None
    deadline = time.monotonic() + timeout_s
    with ServerAccess(serving.url, serving.key).open() as client:
        while not (done := _offers(client, kind, name) is offered) and time.monotonic() < deadline:
            time.sleep(PAUSE_S)
    return done


def offered_models(data_dir: Path) -> Collection[str] | None:
    """By the server that runs on this folder; None where none does, or it does not answer."""
    try:
        serving = Instance(data_dir).running()
        with ServerAccess(serving.url, serving.key).open() as client, as_user_errors():
            return _names(client, "models")
    except UserError:
        return None


def _offers(client: "Client", kind: Kind, name: str) -> bool | None:
    try:
        with as_user_errors():
            return name in _names(client, kind)
    except UserError:  # it is just being started anew
        return None


def _names(client: "Client", kind: Kind) -> Collection[str]:
    told = client.models()
    return told.characters if kind == "characters" else tuple(told.models)
