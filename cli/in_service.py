"""Whether the server that runs here has taken up a change of the characters."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from cli.client import ServerAccess, as_user_errors
from cli.errors import UserError
from cli.instance import Instance

if TYPE_CHECKING:
    from imgen_client import Client

TIMEOUT_S = 30.0  # a server looks every second; a busy one is slow to answer
PAUSE_S = 0.2


def wait_until_taken_up(
    name: str, data_dir: Path, *, offered: bool, timeout_s: float = TIMEOUT_S
) -> bool | None:
    """Waits until `models` lists the character, or no longer does. None: no server runs on this folder."""
    instance = Instance(data_dir)
    try:
        serving = instance.running()
    except UserError:
        return None
    deadline = time.monotonic() + timeout_s
    with ServerAccess(serving.url, serving.key).open() as client:
        while not (done := _offers(client, name) is offered) and time.monotonic() < deadline:
            time.sleep(PAUSE_S)
    return done


def _offers(client: "Client", name: str) -> bool | None:
    try:
        with as_user_errors():
            return name in client.models().characters
    except UserError:  # it is just being started anew
        return None
