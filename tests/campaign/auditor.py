"""Reads Redis, the object store and the audit log by itself, and says what does not agree."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis


@dataclass(frozen=True, kw_only=True)
class Findings:
    accepted: int
    lost: list[str]
    twice: list[str]
    unreviewed: list[str]  # gen_ids of pictures that were released without a verdict on their bytes
    usage: str  # "" where it is exact
    audit: str  # "" where every entry follows the one before

    @property
    def good(self) -> bool:
        return not (self.lost or self.twice or self.unreviewed or self.usage or self.audit)


async def look(redis: "Redis", files: Path, key: str, accepted: Sequence[str]) -> Findings:
    """`key`: the id of the only key; `accepted`: the jobs that clients were told of."""
    lost, stored = [], {path.name: path for path in files.rglob("*") if path.is_file()}
    for job in accepted:
        raw: Any = await redis.hgetall(f"imgen:job:{job}")
        picture = json.loads(raw.get(b"picture", b"{}"))
        file = stored.get(Path(picture.get("key", "none")).name)
        digest = hashlib.sha256(file.read_bytes()).hexdigest() if file else ""
        if raw.get(b"state") != b"COMPLETED" or digest != raw.get(b"sha256", b"").decode():
            lost.append(f"{job} {raw.get(b'state', b'unknown').decode()}")
    registered: Any = await redis.xrange("imgen:pictures")
    pictures = Counter(json.loads(fields[b"picture"])["job"] for _, fields in registered)
    unreviewed, fault, judged, before = [], "", set[bytes](), b""
    log: Any = await redis.xrange("imgen:audit")
    for entry, fields in log:
        told = dict(fields)
        digest = told.pop(b"digest")
        words = [
            before,
            told.pop(b"at"),
            told.pop(b"kind"),
            *(word for pair in told.items() for word in pair),
        ]
        if hashlib.sha1(b"\0".join(words), usedforsecurity=False).hexdigest().encode() != digest:
            fault = fault or f"entry {entry.decode()} does not follow"
        before = digest
        if fields[b"kind"] == b"verdict":
            judged.add(fields[b"sha256"])
        elif fields[b"kind"] == b"release" and fields[b"sha256"] not in judged:
            unreviewed.append(fields[b"gen_id"].decode())
    return Findings(
        accepted=len(accepted),
        lost=lost,
        twice=[job for job, count in pictures.items() if count > 1],
        unreviewed=unreviewed,
        usage=await _usage(redis, key, len(accepted), sum(pictures.values())),
        audit=fault,
    )


async def _usage(redis: "Redis", key: str, accepted: int, pictures: int) -> str:
    counted: Counter[str] = Counter()
    async for name in redis.scan_iter(f"imgen:usage:{key}:*"):
        day: Any = await redis.hgetall(name)
        for measure, value in day.items():
            counted[measure.decode().partition(":")[0]] += int(value)
    told = counted["jobs"], counted["pictures"]
    return (
        "" if told == (accepted, pictures) else f"{dict(counted)}, but {accepted} jobs, {pictures} pictures"
    )
