"""How often a key may ask: a bucket of tokens for each key and class of requests, in Redis for all servers.

A server takes tokens in blocks of a twentieth of the bucket and hands them out by itself, so most requests
cost no round trip. Why: docs/decisions/limits.md.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from redis.asyncio import Redis

from contract.redis_keys import lua_locals
from frontend.common.coalescer import Coalescer
from frontend.common.errors import ApiError
from frontend.domain.quota import Quota, quota_headers
from frontend.keys.api_keys import KeyRecord
from frontend.keys.settings import RateSettings
from frontend.keys.token_stock import Rate, Stocks

MIN_POLLS_PER_S = 100  # where the polls' rate follows from few jobs
_HERE = Path(__file__).parent


class RateClass(StrEnum):
    REQUESTS = "requests"  # all of them, whatever they ask: see key_admission.py
    POLLS = "polls"
    ORDERS = "orders"
    PROMPTS = "prompts"
    VERIFICATIONS = "verifications"
    USAGE = "usage"


def rates_of(settings: RateSettings) -> Mapping[RateClass, Rate]:
    """By default a key can poll all its unfinished jobs twice a second."""
    polls = settings.key_polls_per_s or max(2 * settings.key_jobs_limit, MIN_POLLS_PER_S)
    return {
        RateClass.REQUESTS: Rate.per_second(2 * polls),
        RateClass.POLLS: Rate.per_second(polls),
        RateClass.ORDERS: Rate.per_minute(settings.key_orders_per_minute),
        RateClass.PROMPTS: Rate.per_minute(settings.key_prompts_per_minute),
        RateClass.VERIFICATIONS: Rate.per_minute(settings.key_verify_per_minute),
        RateClass.USAGE: Rate.per_minute(settings.key_usage_per_minute),
    }


def bucket_script(name: str) -> str:
    """The text of a script that takes tokens."""
    return lua_locals() + (_HERE / "_bucket.lua").read_text() + (_HERE / name).read_text()


def too_many(quota: Quota) -> ApiError:
    return ApiError(
        429,
        "Too many requests for this key",
        {"Retry-After": str(quota.reset_s), **quota_headers([quota])},
        detail=f"Its limit of {quota.name} is {quota.most} in {quota.window_s} s",
    )


class Rates:
    """Of the classes that an action has beside REQUESTS."""

    def __init__(self, redis: "Redis", rates: Mapping[RateClass, Rate]) -> None:
        self._rates = rates
        self._take = redis.register_script(bucket_script("take_tokens.lua"))
        self._stocks: Stocks[tuple[str, RateClass]] = Stocks()
        self._blocks: Coalescer[tuple[str, RateClass], None] = Coalescer(self._take_blocks)

    async def admit(self, key: KeyRecord, of: RateClass) -> Quota:
        """Counts one request; what is left. Raises ApiError 429; RedisError, as a key's look-up does."""
        bucket, rate = (key.id, of), self._rates[of]
        while not (stock := self._stocks.of(bucket, rate)).take():
            if stock.wait_s:
                raise too_many(stock.quota(of))
            stock.asking += 1
            try:
                await self._blocks.get(bucket)
            finally:
                stock.asking -= 1
        return stock.quota(of)

    async def _take_blocks(self, buckets: list[tuple[str, RateClass]]) -> list[None]:
        """One script for all of them."""
        arguments: list[str | float] = []
        for key_id, of in buckets:
            rate = self._rates[of]
            stock = self._stocks.of((key_id, of), rate)
            arguments += [f"{key_id}:{of}", rate.per_s / 1000, rate.burst, max(rate.block, stock.asking)]
        answer: list[int] = await self._take(args=arguments)
        for bucket, *told in zip(buckets, answer[::3], answer[1::3], answer[2::3], strict=True):
            self._stocks.of(bucket, self._rates[bucket[1]]).fill(*told)
        return [None] * len(buckets)
