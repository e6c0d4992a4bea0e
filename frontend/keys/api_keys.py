"""API keys: made once, shown once, stored as SHA-256."""

import functools
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import WatchError

from contract.redis_keys import CHANGES, KEYS, KEYS_CHANGED
from frontend.audit.log import AuditLog
from frontend.audit.scripts import with_audit
from frontend.common.coalescer import Coalescer
from frontend.common.errors import ApiError
from frontend.keys.secret import PresentedSecret, digest, new_secret

MAX_DECODED = 1_000  # records
ERASED = "(erased)"
# Asked again after a lost answer it finds the key there, and tells nothing twice.
_CREATE = with_audit(
    """local digest, record, id = unpack(ARGV)
if redis.call('HSETNX', KEYS, digest, record) == 1 then
  audit('key', 'event', 'create', 'key', id)
end"""
)


class Scope(StrEnum):
    GENERATE = "generate"  # every action
    VERIFY = "verify"  # that one alone


class Priority(StrEnum):
    INTERACTIVE = "interactive"
    NORMAL = "normal"
    BATCH = "batch"


class KeyTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator gives a key. Of each limit 0 is what the settings say, or none."""

    unsafe_url: bool = True  # whether it is told the links of its blocked pictures
    scopes: tuple[Scope, ...] = (Scope.GENERATE,)
    expires: str = ""  # RFC 3339, UTC, to the second; "" for never
    note: str = ""  # for operators alone
    rate: float = 0.0  # requests a second
    daily: int = 0  # jobs accepted in a day (UTC)
    monthly: int = 0  # pictures drawn in a month (UTC)
    concurrent: int = 0  # pictures drawn at a time
    priority: Priority = Priority.NORMAL


class KeyRecord(KeyTerms, frozen=True, kw_only=True):
    id: str  # what jobs are bound to
    name: str
    created: str  # RFC 3339, UTC
    digest: str  # SHA-256 of the secret
    disabled: bool = False
    replaced: bool = False  # another secret of the same key is newer; this one is valid until it expires

    @property
    def valid(self) -> bool:
        return not self.disabled and (not self.expires or self.expires > rfc3339(datetime.now(UTC)))

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.GENERATE in self.scopes


# The bytes are read anew at every request, and seldom others.
decode_key = functools.lru_cache(MAX_DECODED)(msgspec.json.Decoder(KeyRecord).decode)


def rfc3339(when: datetime) -> str:
    """UTC, to the second. Earlier ones are less than later ones as texts, too."""
    return when.astimezone(UTC).isoformat(timespec="seconds")


class Keys:
    """Read from Redis at every request, so a disabled key stops at once on every frontend."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._audit = AuditLog(redis)
        self._create = redis.register_script(_CREATE)
        self._reads: Coalescer[str, bytes | None] = Coalescer(self._read_many)

    async def _read_many(self, digests: list[str]) -> list[bytes | None]:
        found: list[Any] = await self._redis.hmget(KEYS, digests)
        return found

    async def authorize(self, header: str | None) -> KeyRecord:
        """The key of an Authorization header. Raises ApiError 401."""
        return await self.look_up(presented_digest(header))

    async def look_up(self, presented: str) -> KeyRecord:
        """The key whose secret has this digest. Raises ApiError 401."""
        return check_key(await self._reads.get(presented), presented)

    async def create(
        self, name: str, secret: str = "", terms: KeyTerms | None = None
    ) -> tuple[KeyRecord, str]:
        """A new key and its secret, which is stored nowhere. The embedded default brings its own secret.

        A key that has this secret already stays as it is.
        """
        secret = secret or new_secret()
        record = KeyRecord(
            id=secrets.token_hex(8),
            name=name,
            created=rfc3339(datetime.now(UTC)),
            digest=digest(secret),
            **msgspec.structs.asdict(terms or KeyTerms()),
        )
        await self._create(args=[record.digest, msgspec.json.encode(record), record.id])
        return record, secret

    async def all(self) -> list[KeyRecord]:
        found = [decode_key(raw) for raw in (await self._redis.hgetall(KEYS)).values()]
        return sorted(found, key=lambda record: record.created)

    async def disable(self, name_or_id: str) -> list[KeyRecord]:
        """Those that were enabled until now. Raises KeyError when it stands for no key."""

        def off(found: list[KeyRecord]) -> list[KeyRecord]:
            return [_with(record, disabled=True) for record in found if not record.disabled]

        return await self._rewrite(name_or_id, "disable", off)

    async def forget_name(self, key_id: str) -> None:
        """Disables the key, and removes what says whose it was. Raises KeyError when there is none."""

        def forget(found: list[KeyRecord]) -> list[KeyRecord]:
            return [_with(record, disabled=True, name=ERASED, note="") for record in found]

        await self._rewrite(key_id, "forget", forget)

    async def set(self, name_or_id: str, terms: Mapping[str, Any]) -> list[KeyRecord]:
        """`terms`: fields of KeyTerms, the others stay. Raises KeyError when it stands for no enabled key."""

        def change(found: list[KeyRecord]) -> list[KeyRecord]:
            changed = []
            for record in _enabled(found, name_or_id):
                kept = {"expires": record.expires} if record.replaced else {}  # its time is measured out
                changed.append(_with(record, **{**terms, **kept}))
            return changed

        return await self._rewrite(name_or_id, "set", change)

    async def rotate(self, name_or_id: str, grace: timedelta) -> str:
        """A new secret of the same key. The one until now is valid for `grace`, those before no more.

        Raises KeyError when it stands for no enabled key, or for several.
        """
        secret = new_secret()

        def rotate(found: list[KeyRecord]) -> list[KeyRecord]:
            if any(record.digest == digest(secret) for record in found):
                return []  # done already, and the answer was lost
            enabled, now = _enabled(found, name_or_id), datetime.now(UTC)
            current = [record for record in enabled if not record.replaced]
            if len(current) != 1:
                raise KeyError(name_or_id)
            end = rfc3339(now + grace)
            (old,) = current
            gone = [_with(record, disabled=True) for record in enabled if record.replaced]
            ending = _with(old, replaced=True, expires=min(old.expires or end, end))
            return [*gone, ending, _with(old, digest=digest(secret))]

        await self._rewrite(name_or_id, "rotate", rotate)
        return secret

    async def _rewrite(
        self, name_or_id: str, event: str, rewrite: Callable[[list[KeyRecord]], list[KeyRecord]]
    ) -> list[KeyRecord]:
        """Stores what `rewrite` makes of the records of a key; returns it. Two operators at a time do not
        undo each other's. Raises KeyError when it stands for no key."""
        async with self._redis.pipeline() as pipe:
            while True:
                await pipe.watch(KEYS)
                raw: Any = await pipe.hgetall(KEYS)
                records = sorted((decode_key(each) for each in raw.values()), key=lambda each: each.created)
                found = [record for record in records if name_or_id in (record.id, record.name)]
                if not found:
                    raise KeyError(name_or_id)
                rewritten = rewrite(found)
                changed = [record for record in rewritten if record not in found]
                pipe.multi()  # type: ignore[no-untyped-call]
                for record in changed:
                    pipe.hset(KEYS, record.digest, msgspec.json.encode(record))
                for key in sorted({record.id for record in changed}):
                    await self._audit.write("key", {"event": event, "key": key}, pipe)
                pipe.publish(CHANGES, KEYS_CHANGED)
                try:
                    await pipe.execute()
                except WatchError:  # or its answer was lost: what was done then is no change any more
                    continue
                return rewritten


def presented_digest(header: str | None) -> str:
    """Of the secret in an Authorization header. Raises ApiError 401."""
    secret = PresentedSecret.from_header(header)
    if secret is None:
        raise ApiError(401, "Unauthorized")
    return secret.digest


def check_key(raw: bytes | None, presented: str) -> KeyRecord:
    """The record that Redis has under this digest. Raises ApiError 401."""
    record = decode_key(raw) if raw else None
    # The hash field has been found by equality already; this keeps the decision itself in constant time.
    if record is None or not hmac.compare_digest(record.digest, presented) or not record.valid:
        raise ApiError(401, "Unauthorized")
    return record


def _enabled(records: Iterable[KeyRecord], name_or_id: str) -> list[KeyRecord]:
    """Raises KeyError."""
    if not (found := [record for record in records if not record.disabled]):
        raise KeyError(name_or_id)
    return found


def _with(record: KeyRecord, **changes: Any) -> KeyRecord:
    return msgspec.structs.replace(record, **changes)
