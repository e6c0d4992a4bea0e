"""The whole system on this machine: what `imgen up` runs until it is told to stop."""

import asyncio
import contextlib
import os
import shlex
import signal
import time
from dataclasses import dataclass, replace

import orjson
from rich.console import Console

from cli.instance import Instance, Serving
from embedded.models import model_repositories
from embedded.plan import Plan, plan
from embedded.supervisor import Say, keeping
from frontend.database import connect
from frontend.keys import Keys
from frontend.secret import digest
from frontend.settings import Settings

PROMPT = "@aya reading a book under a tree, warm lighting, -rain"


@dataclass(frozen=True, kw_only=True)
class Options:
    llm: bool  # whether the packaged language model is started
    quiet: bool  # whether URL and key are printed
    given: frozenset[str]  # the settings that somebody set


async def run_system(settings: Settings, instance: Instance, options: Options) -> None:
    console = Console(stderr=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"  [green]✓[/] {text:<10} [dim]{time.monotonic() - began:5.1f} s[/]", highlight=False)

    console.print(f"[bold]imgen[/] starting, logs in {instance.logs}", highlight=False)
    models = [] if settings.triton_urls else await model_repositories(settings, say)
    parts = await plan(settings, models, llm=options.llm, given=options.given)
    serving = asyncio.create_task(_keep(parts, settings, instance, say, quiet=options.quiet))
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        console.print("stopping; accepted jobs are kept …")
        serving.cancel()
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def _keep(parts: Plan, settings: Settings, instance: Instance, say: Say, *, quiet: bool) -> None:
    async with keeping(parts.stages, instance.logs, say):
        key = await _local_key(replace(settings, redis_url=parts.redis_url), instance)
        instance.announce(Serving(url=parts.url, key=key, pid=os.getpid(), redis_url=parts.redis_url))
        if not quiet:
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
