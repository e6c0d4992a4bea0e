"""Tokens of a bucket that this server has taken from Redis and hands out by itself."""

import functools
import math
import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from frontend.domain.quota import Quota

MAX_STOCKS = 10_000  # that a server holds; the one that was untouched longest is given up first
BLOCKS = 20  # of a full bucket
BURST_S = 2  # of a rate per second, all at once
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Rate:
    per_s: float
    burst: int  # all at once, after a silence

    @classmethod
    def per_second(cls, count: float) -> "Rate":
        return cls(count, max(1, math.ceil(count * BURST_S)))

    @classmethod
    def per_minute(cls, count: int) -> "Rate":
        return cls(count / 60, count)

    @property
    def block(self) -> int:
        return max(1, self.burst // BLOCKS)

    @functools.cached_property
    def token_s(self) -> int:
        return math.ceil(1 / self.per_s)

    @functools.cached_property
    def window_s(self) -> int:
        return math.ceil(self.burst / self.per_s)


@dataclass
class Stock:
    rate: Rate
    left: int = 0
    asking: int = 0  # requests that wait for the next block
    closed_until: float = 0.0  # by the monotonic clock: before it no server has a token
    there: int = 0  # whole tokens that Redis had left, beside these,
    seen: float = 0.0  # then

    def fill(self, taken: int, wait_ms: int, there: int) -> None:
        self.seen = time.monotonic()
        self.left += taken
        self.closed_until = self.seen + wait_ms / 1000
        self.there = there

    def take(self) -> bool:
        if self.left:
            self.left -= 1
            return True
        return False

    @property
    def wait_s(self) -> int:
        """Until there is a token again; 0 where there may be one now."""
        return max(0, math.ceil(self.closed_until - time.monotonic()))

    def quota(self, name: str) -> Quota:
        """As far as this server knows: others take tokens, too."""
        rate, now = self.rate, time.monotonic()
        if now < self.closed_until:
            return Quota(name, rate.burst, rate.window_s, 0, math.ceil(self.closed_until - now))
        left = min(rate.burst, self.left + self.there + int((now - self.seen) * rate.per_s))
        reset_s = math.ceil((rate.burst - left) / rate.per_s) if left else rate.token_s
        return Quota(name, rate.burst, rate.window_s, left, reset_s)


class Stocks(Generic[K]):
    def __init__(self) -> None:
        self._held: OrderedDict[K, Stock] = OrderedDict()

    def get(self, key: K) -> Stock | None:
        if (stock := self._held.get(key)) is not None:
            self._held.move_to_end(key)
        return stock

    def of(self, key: K, rate: Rate) -> Stock:
        """Its tokens stay where the rate is another one than before; what was said of waiting does not."""
        stock = self.get(key)
        if stock is None:
            stock = self._held[key] = Stock(rate)
            if len(self._held) > MAX_STOCKS:
                self._held.popitem(last=False)
        elif stock.rate != rate:
            stock.rate, stock.closed_until, stock.there = rate, 0.0, 0
        return stock
