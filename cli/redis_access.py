"""The Redis of the system that these settings, or else the `imgen up` of this data folder, tell of."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from cli.errors import UserError
from cli.instance import Instance
from frontend.settings import Settings, load

if TYPE_CHECKING:
    from redis.asyncio import Redis


@contextlib.asynccontextmanager
async def open_redis() -> "AsyncIterator[tuple[Settings, Redis]]":
    """Raises UserError, also where Redis goes away meanwhile."""
    # Here, because most commands talk to no Redis.
    from redis.exceptions import RedisError

    from frontend.common.redis_connection import connect, connect_to_probe
    from frontend.common.redis_probe import redis_fault

    settings = load()
    if not settings.redis_url:
        serving = Instance(settings.data_dir).running()
        settings = replace(settings, redis_url=serving.redis_url, public_url=serving.url)
    try:
        async with (
            contextlib.aclosing(connect_to_probe(settings.redis_url)) as prober,
            contextlib.aclosing(connect(settings.redis_url)) as redis,
        ):
            await prober.ping()
            yield settings, redis
    except (RedisError, OSError) as error:
        raise UserError(redis_fault(error)) from None
