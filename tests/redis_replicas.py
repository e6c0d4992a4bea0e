"""Real Redis servers as operators run them: a master, replicas that follow it, sentinels that watch it."""

import asyncio
import contextlib
import os
import signal
import statistics
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from embedded.part import free_port
from embedded.redis import redis_binary

MASTER = "imgen-redis"
PATIENCE_S = 60
DOWN_AFTER_MS, FAILOVER_MS = 500, 5_000


@dataclass
class RedisProcess:
    port: int
    folder: Path
    command: list[str]
    environment: Mapping[str, str]  # added to ours
    process: "subprocess.Popen[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        self.start_again()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def start_again(self) -> None:
        self.process = subprocess.Popen(self.command, env={**os.environ, **self.environment})


@dataclass
class RedisFleet:
    folder: Path
    password: str = ""
    make_folder: Callable[[Path], object] = Path.mkdir  # of one server or sentinel
    environment: Callable[[Path], Mapping[str, str]] = lambda _: {}  # of the one of that folder
    servers: list[RedisProcess] = field(default_factory=list)  # the master first
    sentinels: list[RedisProcess] = field(default_factory=list)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{f':{self.password}@' if self.password else ''}{hosts}/{MASTER}/0"

    def _start(self, *words: str) -> RedisProcess:
        port = free_port()
        folder = self.folder / str(port)
        self.make_folder(folder)
        configuration = folder / "redis.conf"
        lines = ["bind 127.0.0.1", f"port {port}", f"dir {folder}", f"logfile {folder / 'log'}"]
        configuration.write_text("\n".join([*lines, *(word for word in words if word != "--sentinel"), ""]))
        command = [redis_binary(), str(configuration), *(["--sentinel"] if "--sentinel" in words else [])]
        return RedisProcess(port, folder, command, self.environment(folder))

    async def start_server(self) -> None:
        words = ["appendonly yes", "save ''", "repl-diskless-sync yes", "repl-diskless-sync-delay 0"]
        if self.password:
            words += [f"requirepass {self.password}", f"masterauth {self.password}"]
        if self.servers:
            words.append(f"replicaof 127.0.0.1 {self.servers[0].port}")
        self.servers.append(self._start(*words))
        async with self.client(self.servers[-1]) as client:
            await _until_answers(client)

    async def start_sentinel(self) -> None:
        words = [f"sentinel monitor {MASTER} 127.0.0.1 {self.servers[0].port} 2"]
        if self.password:
            words.append(f"sentinel auth-pass {MASTER} {self.password}")
        words.append(f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER_MS}")
        words.append(f"sentinel failover-timeout {MASTER} {FAILOVER_MS}")
        self.sentinels.append(self._start("--sentinel", *words))

    def client(self, server: RedisProcess) -> "Redis":
        return Redis(port=server.port, password=self.password or None)

    async def until_watched(self) -> None:
        """All sentinels know of each other and of the replicas: they may promote one."""
        async with asyncio.timeout(PATIENCE_S):
            for sentinel in self.sentinels:
                async with Redis(port=sentinel.port, decode_responses=True) as client:
                    await _until_answers(client)
                    while True:
                        told: Any = await client.sentinel_master(MASTER)
                        others = len(self.sentinels) - 1, len(self.servers) - 1
                        if (told["num-other-sentinels"], told["num-slaves"]) == others:
                            break
                        await asyncio.sleep(0.05)

    async def master(self) -> int:
        """The port of the one that most sentinels name."""
        told = list[int]()
        for sentinel in self.sentinels:
            with contextlib.suppress(RedisError, OSError):
                async with Redis(port=sentinel.port) as client:
                    found: Any = await client.sentinel_get_master_addr_by_name(MASTER)
                    told.append(found[1])
        return statistics.mode(told)

    async def until_promoted(self, port: int) -> None:
        """All sentinels name the server at `port` as the master."""
        async with asyncio.timeout(PATIENCE_S):
            for sentinel in self.sentinels:
                async with Redis(port=sentinel.port) as client:
                    told: Any = None
                    while not told or told[1] != port:
                        await asyncio.sleep(0.05)
                        told = await client.sentinel_get_master_addr_by_name(MASTER)

    async def until_followed(self) -> None:
        """One of two is the master, and the other has all that it has: either may be lost."""
        async with asyncio.timeout(2 * PATIENCE_S):
            while True:
                with contextlib.suppress(RedisError, OSError, statistics.StatisticsError):
                    port = await self.master()
                    (master,) = (each for each in self.servers if each.port == port)
                    async with self.client(master) as client:
                        told = await client.info("replication")
                    follows = told.get("slave0", {})
                    if told["role"] == "master" and follows.get("state") == "online" and follows["lag"] <= 1:
                        return
                await asyncio.sleep(0.1)

    def stop(self) -> None:
        for each in [*self.sentinels, *self.servers]:
            each.kill()


async def _until_answers(client: "Redis") -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(Exception):
                await client.ping()
                return
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def redis_fleet(
    folder: Path,
    *,
    replicas: int = 1,
    sentinels: int = 3,
    password: str = "",
    make_folder: Callable[[Path], object] = Path.mkdir,
    environment: Callable[[Path], Mapping[str, str]] = lambda _: {},
) -> AsyncIterator[RedisFleet]:
    folder.mkdir(exist_ok=True)
    fleet = RedisFleet(folder, password, make_folder, environment)
    try:
        for _ in range(1 + replicas):
            await fleet.start_server()
        for _ in range(sentinels):
            await fleet.start_sentinel()
        if sentinels:
            await fleet.until_watched()
        yield fleet
    finally:
        fleet.stop()
