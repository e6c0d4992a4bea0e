"""`imgen up`: the whole system on this machine, under one supervisor."""

import argparse
import asyncio
import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import orjson
from rich.console import Console

from cli.errors import UserError
from cli.help import Commands, command
from cli.instance import Instance, Serving
from embedded.models import model_repositories
from embedded.part import free_port
from embedded.plan import Plan, plan
from embedded.supervisor import Say, keeping
from frontend.database import connect
from frontend.keys import Keys, digest
from frontend.settings import Settings, load

START_S = 180.0
PROMPT = "@aya reading a book under a tree, warm lighting, -rain"


def add(commands: Commands) -> None:
    examples = (
        "  imgen up                             until Ctrl-C\n"
        "  imgen up --detach                    returns when it serves; prints one line of JSON\n"
        "  IMGEN_PORT=9000 IMGEN_DATA_DIR=/srv/imgen imgen up\n"
        "  IMGEN_TRITON_URLS=gpu1:8001 imgen up      with a Triton of your own"
    )
    parser = command(commands, "up", "Run the whole system on this machine", examples, run)
    parser.add_argument("--detach", action="store_true", help="run in the background")
    parser.add_argument("--no-llm", action="store_true", help="without the packaged language model")


def run(arguments: argparse.Namespace) -> int:
    settings = load()
    instance = Instance(settings.data_dir)
    instance.prepare()
    if arguments.detach:
        return _detach(instance, arguments)
    settings = replace(settings, port=_port(settings))
    lock = instance.hold()
    try:
        asyncio.run(_up(settings, instance, llm=not arguments.no_llm))
    finally:
        instance.withdraw()
        os.close(lock)
    return 0


def _port(settings: Settings) -> int:
    """A port that can be listened on. Raises UserError where the wanted one is taken."""
    if settings.port == 0:
        return free_port()
    try:
        with socket.create_server((settings.host, settings.port)):
            return settings.port
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise UserError(f"cannot listen on {where}: {error.strerror}; choose another IMGEN_PORT") from None


async def _up(settings: Settings, instance: Instance, *, llm: bool) -> None:
    console = Console(stderr=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"  [green]✓[/] {text:<10} [dim]{time.monotonic() - began:5.1f} s[/]", highlight=False)

    console.print(f"[bold]imgen[/] starting, logs in {instance.logs}", highlight=False)
    models = [] if settings.triton_urls else await model_repositories(settings, say)
    parts = plan(settings, models, llm=llm, workers_set="IMGEN_WORKERS" in os.environ)
    serving = asyncio.create_task(_keep(parts, settings, instance, say))
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        console.print("stopping; accepted jobs are kept …")
        serving.cancel()
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def _keep(parts: Plan, settings: Settings, instance: Instance, say: Say) -> None:
    async with keeping(parts.stages, instance.logs, say):
        key = await _local_key(replace(settings, redis_url=parts.redis_url), instance)
        instance.announce(Serving(url=parts.url, key=key, pid=os.getpid(), redis_url=parts.redis_url))
        print(_welcome(parts.url, key), flush=True)
        await asyncio.Event().wait()  # until cancelled


async def _local_key(settings: Settings, instance: Instance) -> str:
    """The key that is printed: the same one at every start, unless it was disabled."""
    redis = connect(settings)
    try:
        keys = Keys(redis)
        secret = instance.secret()
        known = {record.digest: record for record in await keys.all()}
        if (record := known.get(digest(secret))) and record.disabled:
            secret = instance.secret(fresh=True)
        await keys.create("local", secret)
        return secret
    finally:
        await redis.aclose()


def _welcome(url: str, key: str) -> str:
    body = orjson.dumps({"action": "generate", "prompt": PROMPT}).decode()
    return f"""
  URL   {url}
  Key   {key}

  curl -s {url}/api/v2 -H 'Authorization: Bearer {key}' -d {shlex.quote(body)}
  .venv/bin/imgen generate {shlex.quote(PROMPT)} -o picture.jpg
"""


def _detach(instance: Instance, arguments: argparse.Namespace) -> int:
    """Starts `imgen up` in a session of its own and waits until it serves."""
    if instance.holder() is not None:
        raise UserError(f"already running on {instance.folder} (stop it with `imgen down`)")
    options = ["--no-llm"] if arguments.no_llm else []
    log = instance.logs / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "up", *options],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_S
    while (serving := instance.serving()) is None or serving.pid != process.pid:
        if process.poll() is not None:
            lines = log.read_text(errors="replace").strip().splitlines() or ["it ended without a word"]
            raise UserError(lines[-1].removeprefix("imgen: "))
        if time.monotonic() > deadline:
            process.terminate()
            raise UserError(f"not serving within {START_S:.0f} s; see {log}")
        time.sleep(0.05)
    print(orjson.dumps({"url": serving.url, "key": serving.key, "pid": serving.pid}).decode(), flush=True)
    return 0
