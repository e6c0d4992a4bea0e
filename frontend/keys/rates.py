"""How often a key may ask: a bucket of tokens for each key and class of requests, in Redis for all servers.

A server takes tokens in blocks of a twentieth of the bucket and hands them out by itself, so most requests
cost no round trip. Why: docs/decisions/limits.md.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from redis.asyncio import Redis

from contract.redis_keys import lua_locals
from frontend.common.coalescer import Coalescer
from frontend.common.errors import ApiError
from frontend.keys.api_keys import KeyRecord
from frontend.keys.settings import RateSettings

MAX_STOCKS = 10_000  # blocks that a server holds; the one that was untouched longest is given up first
BLOCKS = 20  # of a full bucket
BURST_S = 2  # of a rate per second, all at once
MIN_POLLS_PER_S = 100  # where the polls' rate follows from few jobs
_TAKE = lua_locals() + Path(__file__).with_name("take_tokens.lua").read_text()


class RateClass(StrEnum):
    REQUESTS = "requests"  # all of them, whatever they ask
    POLLS = "polls"
    ORDERS = "orders"
    PROMPTS = "prompts"
    VERIFICATIONS = "verifications"


@dataclass(frozen=True)
class Rate:
    per_s: float
    burst: int  # all at once, after a silence

    @property
    def block(self) -> int:
        return max(1, self.burst // BLOCKS)


def rates_of(settings: RateSettings) -> Mapping[RateClass, Rate]:
    """By default a key can poll all its unfinished jobs twice a second."""
    polls = settings.key_polls_per_s or max(2 * settings.key_jobs_limit, MIN_POLLS_PER_S)
    return {
        RateClass.REQUESTS: Rate(2 * polls, 2 * polls * BURST_S),
        RateClass.POLLS: Rate(polls, polls * BURST_S),
        RateClass.ORDERS: _per_minute(settings.key_orders_per_minute),
        RateClass.PROMPTS: _per_minute(settings.key_prompts_per_minute),
        RateClass.VERIFICATIONS: _per_minute(settings.key_verify_per_minute),
    }


def _per_minute(count: int) -> Rate:
    return Rate(count / 60, count)


@dataclass
class _Stock:
    left: int = 0
    asking: int = 0  # requests that wait for the next block
    closed_until: float = 0.0  # by the monotonic clock: before it no server has a token


class Rates:
    def __init__(self, redis: "Redis", rates: Mapping[RateClass, Rate]) -> None:
        self._rates = rates
        self._take = redis.register_script(_TAKE)
        self._stocks: OrderedDict[tuple[str, RateClass], _Stock] = OrderedDict()
        self._blocks: Coalescer[tuple[str, RateClass], None] = Coalescer(self._take_blocks)

    async def admit(self, key: KeyRecord, of: RateClass = RateClass.REQUESTS) -> None:
        """Counts one request. Raises ApiError 429; RedisError, as the key's own look-up does."""
        bucket = key.id, of
        while not (stock := self._stock(bucket)).left:
            wait_s = stock.closed_until - time.monotonic()
            if wait_s > 0:
                raise ApiError(429, "Too many requests for this key", {"Retry-After": str(math.ceil(wait_s))})
            stock.asking += 1
            try:
                await self._blocks.get(bucket)
            finally:
                stock.asking -= 1
        stock.left -= 1

    def _stock(self, bucket: tuple[str, RateClass]) -> _Stock:
        stock = self._stocks.setdefault(bucket, _Stock())
        self._stocks.move_to_end(bucket)
        if len(self._stocks) > MAX_STOCKS:
            self._stocks.popitem(last=False)
        return stock

    async def _take_blocks(self, buckets: list[tuple[str, RateClass]]) -> list[None]:
        """One script for all of them."""
        arguments: list[str | float] = []
        for key_id, of in buckets:
            rate, stock = self._rates[of], self._stock((key_id, of))
            arguments += [f"{key_id}:{of}", rate.per_s / 1000, rate.burst, max(rate.block, stock.asking)]
        answer: list[int] = await self._take(args=arguments)
        now = time.monotonic()
        for bucket, taken, wait_ms in zip(buckets, answer[::2], answer[1::2], strict=True):
            stock = self._stock(bucket)
            stock.left += taken
            stock.closed_until = now + wait_ms / 1000
        return [None] * len(buckets)
