"""API keys: made once, shown once, stored as SHA-256."""

import hmac
import secrets
from datetime import UTC, datetime
from typing import Any

import msgspec
from redis.asyncio import Redis

from contract.redis_keys import KEYS
from frontend.common.coalescer import Coalescer
from frontend.common.errors import ApiError
from frontend.keys.secret import PresentedSecret, digest, new_secret


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    id: str  # what jobs are bound to
    name: str
    created: str  # RFC 3339, UTC
    digest: str  # SHA-256 of the secret
    disabled: bool = False
    unsafe_url: bool = True  # whether it is told the links of its blocked pictures


_decode = msgspec.json.Decoder(KeyRecord).decode


class Keys:
    """Read from Redis at every request, so a disabled key stops at once on every frontend."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._reads: Coalescer[str, bytes | None] = Coalescer(self._read_many)

    async def _read_many(self, digests: list[str]) -> list[bytes | None]:
        found: list[Any] = await self._redis.hmget(KEYS, digests)
        return found

    async def authorize(self, header: str | None) -> KeyRecord:
        """The key of an Authorization header. Raises ApiError 401."""
        secret = PresentedSecret.from_header(header)
        if secret is None:
            raise ApiError(401, "Unauthorized")
        presented = secret.digest
        raw = await self._reads.get(presented)
        record = _decode(raw) if raw else None
        # The hash field has been found by equality already; this keeps the decision itself in constant time.
        if record is None or not hmac.compare_digest(record.digest, presented) or record.disabled:
            raise ApiError(401, "Unauthorized")
        return record

    async def create(self, name: str, secret: str = "", *, unsafe_url: bool = True) -> tuple[KeyRecord, str]:
        """A new key and its secret, which is stored nowhere. The embedded default brings its own secret."""
        secret = secret or new_secret()
        record = KeyRecord(
            id=secrets.token_hex(8),
            name=name,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            digest=digest(secret),
            unsafe_url=unsafe_url,
        )
        await self._redis.hsetnx(KEYS, record.digest, msgspec.json.encode(record))
        return record, secret

    async def all(self) -> list[KeyRecord]:
        found = [_decode(raw) for raw in (await self._redis.hgetall(KEYS)).values()]
        return sorted(found, key=lambda record: record.created)

    async def disable(self, name_or_id: str) -> list[KeyRecord]:
        """Those that were enabled until now. Raises KeyError when it stands for no key."""
        found = [record for record in await self.all() if name_or_id in (record.id, record.name)]
        if not found:
            raise KeyError(name_or_id)
        enabled = [record for record in found if not record.disabled]
        for record in enabled:
            off = msgspec.structs.replace(record, disabled=True)
            await self._redis.hset(KEYS, record.digest, msgspec.json.encode(off))
        return enabled
