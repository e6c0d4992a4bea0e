"""Whose a request is and whether it may ask again: one look at Redis for both."""

from redis.asyncio import Redis

from frontend.common.coalescer import Coalescer
from frontend.domain.quota import Quota
from frontend.keys.api_keys import KeyRecord, Keys, check_key, decode_key, presented_digest
from frontend.keys.rates import RateClass, bucket_script, too_many
from frontend.keys.token_stock import BLOCKS, BURST_S, Rate, Stock, Stocks


class KeyAdmission:
    """The key of each request is read anew. Where this server has no token for it, that look takes some."""

    def __init__(self, redis: "Redis", keys: Keys, rate: Rate) -> None:
        """`rate`: of the requests of a key that has none of its own."""
        self._keys = keys
        self._rate = rate
        self._look_up = redis.register_script(bucket_script("look_up.lua"))
        # By digest: strangers' secrets get none, so they displace nobody's.
        self._stocks: Stocks[str] = Stocks()
        self._look_ups: Coalescer[str, bytes | None] = Coalescer(self._look_up_many)

    async def admit(self, header: str | None) -> tuple[KeyRecord, Quota]:
        """The key of an Authorization header, and its quota of requests, of which this one is counted.

        Raises ApiError 401, 429; RedisError.
        """
        digest = presented_digest(header)
        stock = self._stocks.get(digest)
        taken = stock is not None and stock.take()
        if taken or (stock and stock.wait_s):
            key = await self._keys.look_up(digest)
            stock = self._stocks.of(digest, self._rate_of(key))
        else:
            key, stock = await self._take_block(digest, stock)
            taken = stock.take()
        while not taken:
            if stock.wait_s:
                raise too_many(stock.quota(RateClass.REQUESTS))
            key, stock = await self._take_block(digest, stock)
            taken = stock.take()
        return key, stock.quota(RateClass.REQUESTS)

    async def _take_block(self, digest: str, stock: Stock | None) -> tuple[KeyRecord, Stock]:
        if stock:
            stock.asking += 1
        try:
            raw = await self._look_ups.get(digest)
        finally:
            if stock:
                stock.asking -= 1
        key = check_key(raw, digest)
        return key, self._stocks.of(digest, self._rate_of(key))

    async def _look_up_many(self, digests: list[str]) -> list[bytes | None]:
        """One script for all of them."""
        arguments: list[str | float] = [BURST_S, BLOCKS]
        for digest in digests:
            stock = self._stocks.get(digest)
            asking = stock.asking if stock else 1
            arguments += [digest, self._rate.per_s / 1000, self._rate.burst, asking]
        answer = await self._look_up(args=arguments)
        found: list[bytes | None] = answer[::4]
        for digest, raw, *told in zip(digests, found, answer[1::4], answer[2::4], answer[3::4], strict=True):
            if raw:
                self._stocks.of(digest, self._rate_of(decode_key(raw))).fill(*told)
        return found

    def _rate_of(self, key: KeyRecord) -> Rate:
        return Rate.per_second(key.rate) if key.rate else self._rate
