"""Writes and reads the audit log in Redis."""

import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from redis.asyncio import Redis

from contract.redis_keys import AUDIT, AUDIT_HEAD
from frontend.audit.scripts import with_audit
from frontend.common.replicas import NotReplicated, Replicas

BATCH = 1_000  # entries of one answer
ONCE_S = 30 * 86_400  # so long a picture's release to a key is remembered, and not told again
MAX_REMEMBERED = 50_000  # of these, in one process
_HEAD = ("at", "kind", "digest")
_WRITE = with_audit("audit(unpack(ARGV))")
# The first line lets it write in a full Redis, as in all scripts of accepted jobs (jobs/lua/_accepted.lua).
_RELEASE = with_audit(
    """redis.call('DEL', JOB_PREFIX)
local gen_id, owner, once_s, job, sha256, compliance = unpack(ARGV)
-- Whoever asks has read the verdict, though perhaps from a master whose place another one has taken.
local state, verdict = unpack(redis.call('HMGET', JOB_PREFIX .. job, 'state', 'verdict'))
if state ~= 'COMPLETED' or cjson.decode(verdict).sha256 ~= sha256 then return 0 end
local released = RELEASED_PREFIX .. gen_id .. ':' .. owner
redis.call('EXPIRE', released, once_s) -- so that there is a write to wait for, where it was told before
if redis.call('SET', released, '', 'NX', 'EX', once_s) then
  audit('release', 'gen_id', gen_id, 'key', owner, 'job', job, 'sha256', sha256, 'compliance', compliance)
end
return 1"""
)

# Of a character, whichever server finds it first in its catalogue.
_CHARACTER = with_audit(
    """local name, told = ARGV[1], table.concat(ARGV, '\\0')
if redis.call('HGET', AUDIT_CHARACTERS, name) ~= told then
  audit('character', 'name', name, unpack(ARGV, 2))
  redis.call('HSET', AUDIT_CHARACTERS, name, told)
end"""
)


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    entry: str  # its id in the stream
    at: int  # ms since 1970, by Redis' clock
    kind: str
    fields: Mapping[str, str]  # in their order
    digest: str  # SHA-1, of the digest before, the time, the kind and the fields

    def follows(self, digest: str) -> bool:
        """Whether it is unchanged, and the next one after the entry of that digest ("": the first)."""
        words = [digest, str(self.at), self.kind, *(word for pair in self.fields.items() for word in pair)]
        return hashlib.sha1("\0".join(words).encode(), usedforsecurity=False).hexdigest() == self.digest


class AuditLog:
    def __init__(self, redis: "Redis", replicas: Replicas = Replicas()) -> None:  # noqa: B008
        """`replicas`: those that must have a picture's release, and so its verdict, before it leaves."""
        self._redis, self._replicas = redis, replicas
        self._write = redis.register_script(_WRITE)
        self._release = redis.register_script(_RELEASE)
        self._character = redis.register_script(_CHARACTER)
        self._released: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    async def write(self, kind: str, fields: Mapping[str, str], client: "Redis | None" = None) -> None:
        """`client`: a pipeline whose changes the entry tells of. Raises RedisError."""
        await self._write(args=[kind, *(word for pair in fields.items() for word in pair)], client=client)

    async def release(self, gen_id: str, owner: str, job: str, sha256: str, compliance: str) -> None:
        """A link of this picture is about to be given to that key: told once for each such pair.

        Raises RedisError, also where this Redis knows of no verdict on these bytes, or too few replicas do;
        then no link may be given.
        """
        told = gen_id, owner, sha256
        if told in self._released:
            return
        async with self._redis.pipeline(transaction=False) as pipe:
            await self._release(args=[gen_id, owner, ONCE_S, job, sha256, compliance], client=pipe)
            self._replicas.wait(pipe)
            known, confirmed = await pipe.execute()
        if not known:
            raise NotReplicated("a verdict that was read is not known any more")
        if not self._replicas.have(confirmed):
            raise NotReplicated("too few replicas know of a picture's release")
        self._released[told] = None
        if len(self._released) > MAX_REMEMBERED:
            self._released.popitem(last=False)

    async def character(self, name: str, fields: Mapping[str, str]) -> None:
        """A character is offered: told when it is new, or was offered with other fields before."""
        await self._character(args=[name, *(word for field in fields.items() for word in field)])

    async def entries(self, after: str = "-") -> AsyncIterator[AuditEntry]:
        """Those after that id, or all, in order. Raises RedisError, ValueError where one is malformed."""
        start = after if after == "-" else f"({after}"
        while True:
            found: Any = await self._redis.xrange(AUDIT, start, "+", count=BATCH)
            for entry, fields in found:
                yield _entry(entry.decode(), fields)
            if len(found) < BATCH:
                return
            start = f"({found[-1][0].decode()}"

    async def head(self) -> str:
        """The digest of the newest entry; "" before the first."""
        head: Any = await self._redis.get(AUDIT_HEAD)
        return head.decode() if head else ""

    async def forget(self, until: str) -> int:
        """Deletes the entries up to that id, which are in files; the next one still follows them."""
        milliseconds, _, number = until.partition("-")
        return int(
            await self._redis.xtrim(AUDIT, minid=f"{milliseconds}-{int(number) + 1}", approximate=False)
        )


def _entry(entry: str, raw: Mapping[bytes, bytes]) -> AuditEntry:
    fields = {name.decode(): value.decode() for name, value in raw.items()}
    try:
        at, kind, digest = (fields.pop(name) for name in _HEAD)
        return AuditEntry(entry=entry, at=int(at), kind=kind, fields=fields, digest=digest)
    except KeyError as error:
        raise ValueError(f"audit entry {entry} has no {error}") from None
