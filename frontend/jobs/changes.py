"""What the scripts tell of jobs as they change them: one subscription for the whole process."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from contract.redis_keys import CHANGES
from frontend.common.supervised import SupervisedLoop

log = logging.getLogger(__name__)
QUIET_S = 5.0  # without a message: then Redis is asked whether it is still there
LOST_S = 15.0  # without an answer to that


class Changes:
    def __init__(self, redis: "Redis", told: Callable[[str], None], missed: Callable[[], None]) -> None:
        """`told` is given each message (contract/redis_keys.py says which there are). `missed` is called
        whenever a subscription begins: what was published before has reached nobody here."""
        self._redis = redis
        self._told = told
        self._missed = missed

    async def follow(self) -> None:
        """Until cancelled."""
        await SupervisedLoop("changes of jobs are not heard of", self._subscribe, log).run()

    async def _subscribe(self) -> None:
        """Raises RedisError where the subscription is lost."""
        now = asyncio.get_running_loop().time
        async with self._redis.pubsub() as subscription:
            await subscription.subscribe(CHANGES)
            heard = now()
            while now() - heard < LOST_S:
                message: dict[str, Any] | None = await subscription.get_message(timeout=QUIET_S)
                if message is None:
                    await subscription.ping()
                    continue
                heard = now()
                if message["type"] == "message":
                    self._told(message["data"].decode())
                elif message["type"] == "subscribe":  # also of a connection that the client library made anew
                    self._missed()
        raise RedisTimeoutError("no answer")
