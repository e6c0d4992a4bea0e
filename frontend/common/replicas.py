"""How many copies of Redis must have what was written before it counts: Redis copies after it answers."""

from dataclasses import dataclass

from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError


class NotReplicated(RedisError):
    """A master that takes over now would know nothing of it, or has."""


@dataclass(frozen=True)
class Replicas:
    wanted: int = 0  # 0: what the master has counts
    timeout_s: float = 1.0

    def wait(self, pipe: "Pipeline") -> None:
        """Its answer: how many of them have all that was written before, if this connection wrote some of it;
        else it waits for nothing."""
        pipe.wait(self.wanted, int(self.timeout_s * 1000))

    def have(self, confirmed: int) -> bool:
        return confirmed >= self.wanted
