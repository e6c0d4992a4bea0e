"""How many copies of Redis must have what was written before it counts: Redis copies after it answers."""

from dataclasses import dataclass

from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from contract.redis_keys import READY
from frontend.common.redis_probe import READY_S


class NotReplicated(RedisError):
    """Fewer replicas than the setting asks for have it; a master that takes over may know nothing of it."""


@dataclass(frozen=True)
class Replicas:
    wanted: int = 0  # 0: what the master has counts
    timeout_s: float = 1.0

    def wait(self, pipe: "Pipeline") -> None:
        """Ends a pipeline: its last answer is how many of them have all that it, and whoever wrote before it,
        has written."""
        # WAIT waits for what its own connection wrote: nothing, where a script found all done already.
        pipe.set(READY, "", ex=READY_S)
        pipe.wait(self.wanted, int(self.timeout_s * 1000))

    def have(self, confirmed: int) -> bool:
        return confirmed >= self.wanted
