"""Lua scripts, one file per change: what all of them share stands before each."""

import time
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from frontend.audit.scripts import with_audit
from frontend.jobs.outcomes import SCRIPT_SECONDS

LUA = Path(__file__).with_name("lua")
_PARTS = ("_turns.lua", "_shared.lua", "_usage.lua")
_SHARED = with_audit("".join((LUA / name).read_text() for name in _PARTS))
_ACCEPTED = (LUA / "_accepted.lua").read_text()
# What Redis may refuse at maxmemory: scripts that store a new job, and those that write nothing.
_REFUSABLE = {"accept", "serve", "read", "oldest"}


class Scripts:
    def __init__(self, redis: "Redis", folder: Path) -> None:
        """`folder`: of *.lua; what begins with _ is no script."""
        self._scripts = {
            path.stem: redis.register_script(
                _SHARED + ("" if path.stem in _REFUSABLE else _ACCEPTED) + path.read_text()
            )
            for path in folder.glob("[!_]*.lua")
        }

    def __getitem__(self, name: str) -> AsyncScript:
        return self._scripts[name]

    async def run(self, name: str, *arguments: str | bytes | float) -> Any:
        """Its answer, as this connection gives it: bytes. Raises RedisError."""
        began = time.perf_counter()
        try:
            return await self._scripts[name](args=arguments)
        finally:
            SCRIPT_SECONDS.labels(name).observe(time.perf_counter() - began)
