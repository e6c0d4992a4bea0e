"""What `imgen up` keeps things in, tried before anything starts: nobody reads readiness of a first start."""

import contextlib

from frontend.common.errors import SettingError
from frontend.common.probe import NotReady
from frontend.common.redis_connection import connect_to_probe
from frontend.common.redis_probe import check_redis
from frontend.settings import Settings
from frontend.storage import open_storage


async def check_stores(settings: Settings) -> None:
    """Raises SettingError where Redis, if one is named, or the store of pictures takes nothing."""
    try:
        if settings.redis_url:
            async with contextlib.aclosing(connect_to_probe(settings.redis_url)) as redis:
                await check_redis(redis)
        async with open_storage(settings, public_url="") as storage:  # no link is made
            await storage.check()
    except NotReady as error:
        raise SettingError(str(error)) from None
