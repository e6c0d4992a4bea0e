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

    from frontend.common.redis_connection import connect

    settings = load()
    if not settings.redis_url:
        serving = Instance(settings.data_dir).running()
        settings = replace(settings, redis_url=serving.redis_url, public_url=serving.url)
    redis = connect(settings.redis_url)
    try:
        yield settings, redis
    except (RedisError, OSError) as error:
        raise UserError(f"Redis does not answer ({type(error).__name__}); check IMGEN_REDIS_URL") from None
    finally:
        await redis.aclose()
