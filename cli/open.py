"""`imgen open`: the page, signed in.

The key goes to the browser in a file that this user alone can read, which a browser is told to open and which
is deleted at once: it never stands in an argument, an address or a log. The file posts it to the page, with a
code that shows that it came from here (frontend/keys/handovers.py).
"""

import argparse
import asyncio
import contextlib
import html
import os
import secrets
import webbrowser
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from cli.console import console
from cli.errors import UserError
from cli.help import Commands, command
from cli.instance import Instance
from cli.redis_access import open_redis
from frontend.settings import load

PATIENCE_S = 60.0
LOOK_S = 0.2


def add(commands: Commands) -> None:
    examples = "  imgen open                           the page of the server that `imgen up` started here"
    command(commands, "open", "Open the page in a browser, signed in", examples, run)


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_run(webbrowser.open))


async def _run(browse: Callable[[str], bool]) -> int:
    # Here, because most commands talk to no Redis.
    from frontend.keys.handovers import Handovers

    instance = Instance(load().data_dir)
    serving = instance.running()
    key = os.environ.get("IMGEN_API_KEY") or serving.key
    async with open_redis() as (_, redis):
        handovers = Handovers(redis)
        code = await handovers.offer()
        try:
            with _handed(instance.folder, serving.url, code, key) as file:
                if not await asyncio.to_thread(browse, file.as_uri()):
                    raise _no_browser(serving.url, instance.folder)
                if not await _until_taken(lambda: handovers.is_open(code)):
                    raise UserError(
                        f"no browser has opened it in {PATIENCE_S:.0f} s; open {serving.url} and enter the "
                        f"key in {instance.folder / 'key'}"
                    )
        finally:
            await handovers.withdraw(code)
    console(stderr=True).print(f"{serving.url} is open, signed in")
    return 0


@contextlib.contextmanager
def _handed(folder: Path, url: str, code: str, key: str) -> Iterator[Path]:
    """A page that sends the key on as soon as it is opened; deleted afterwards."""
    file = folder / f"open-{secrets.token_hex(8)}.html"
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:
        written.write(handing_page(url, code, key))
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


def handing_page(url: str, code: str, key: str) -> str:
    fields = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(value)}">'
        for name, value in (("code", code), ("key", key))
    )
    return (
        '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
        "<title>imgen</title>"
        f'<form method="post" action="{html.escape(url)}/open">{fields}<button>Open imgen</button></form>'
        "<script>document.forms[0].submit()</script>"
    )


async def _until_taken(is_open: Callable[[], Awaitable[bool]]) -> bool:
    """The server uses the code up when it takes the key."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while await is_open():
                await asyncio.sleep(LOOK_S)
            return True
    return False


def _no_browser(url: str, folder: Path) -> UserError:
    return UserError(f"there is no browser here; open {url} in one and enter the key in {folder / 'key'}")
