"""A request that must not be carried out twice."""

from dataclasses import dataclass

from contract.redis_keys import IDEMPOTENCY_PREFIX


@dataclass(frozen=True)
class IdempotencyKey:
    """A client's idempotency key, and what it was used for."""

    owner: str
    key: str  # digest of the client's key
    body: str  # digest of the request's body

    @property
    def redis_key(self) -> str:
        return f"{IDEMPOTENCY_PREFIX}{self.owner}:{self.key}"
