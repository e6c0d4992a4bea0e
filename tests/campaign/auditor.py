"""Reads Redis, the object store and the audit log by itself, and says what does not agree.

Nothing here is imported from what writes them: names of keys, fields and digests are spelled out once more.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

UNFINISHED = ("imgen:waiting", "imgen:turns", "imgen:held", "imgen:open", "imgen:marks")


@dataclass(frozen=True, kw_only=True)
class Findings:
    accepted: int
    lost: list[str]  # jobs without a judged picture whose bytes are in the store
    twice: list[str]  # jobs with more than one picture, and orders that became more than one job
    unreviewed: list[
        str
    ]  # pictures that were released, or reached a client, without a verdict on their bytes
    usage: list[str]  # what was counted wrongly
    audit: list[str]  # entries that do not follow the one before
    left: list[str]  # what is still kept of unfinished jobs, when there are none

    @property
    def good(self) -> bool:
        return not self.problems

    @property
    def problems(self) -> list[str]:
        kinds = {**vars(self)}
        del kinds["accepted"]
        return [f"{kind}: {each}" for kind, found in kinds.items() for each in found]


@dataclass(frozen=True)
class Evidence:
    jobs: Mapping[str, Mapping[bytes, bytes]]  # all hashes of jobs, by id
    registered: Sequence[Mapping[str, Any]]  # all entries of pictures
    log: Sequence[tuple[bytes, Mapping[bytes, bytes]]]  # the audit log
    usage: Mapping[str, int]  # of the only key, all days and models together
    counters: Mapping[str, int]  # that limits are held against
    left: list[str]


async def look(
    redis: "Redis", files: Path, key: str, accepted: Mapping[int, str], shown: Mapping[str, str]
) -> Findings:
    """`files` by objects' keys; `key`: the id of the only one; `accepted`: the jobs that clients were told
    of, by the numbers of their orders; `shown`: SHA-256 of what their links led to, by job."""
    evidence = await _collect(redis, key)
    told, judged = set(accepted.values()), _judged(evidence)
    faults = {job: _fault(evidence.jobs.get(job, {}), files) for job in sorted(told)}
    return Findings(
        accepted=len(told),
        lost=[f"{job} {fault}" for job, fault in faults.items() if fault],
        twice=_twice(evidence, told),
        unreviewed=[*judged.unreviewed, *(_unseen(evidence, shown, judged))],
        usage=_usage(evidence),
        audit=judged.faults,
        left=evidence.left,
    )


async def _collect(redis: "Redis", key: str) -> Evidence:
    jobs = {
        name.decode().rpartition(":")[2]: await _hash(redis, name)
        async for name in redis.scan_iter("imgen:job:*", count=1_000)
    }
    pictures: Any = await redis.xrange("imgen:pictures")
    log: Any = await redis.xrange("imgen:audit")
    usage, counters = Counter[str](), Counter[str]()
    async for name in redis.scan_iter(f"imgen:usage:{key}:*"):
        for measure, value in (await _hash(redis, name)).items():
            usage[measure.decode().partition(":")[0]] += int(value)
    for what in ("orders", "drawn"):
        async for name in redis.scan_iter(f"imgen:{what}:{key}:*"):
            counters[what] += int(await redis.get(name) or 0)
    left = [name for name in UNFINISHED if await redis.exists(name)]
    left += ["imgen:queue"] if await redis.xlen("imgen:queue") else []
    for pattern in ("imgen:open:*", "imgen:line:*"):
        left += [name.decode() async for name in redis.scan_iter(pattern)]
    registered = [json.loads(fields[b"picture"]) for _, fields in pictures]
    return Evidence(jobs, registered, log, usage, counters, left)


async def _hash(redis: "Redis", name: bytes) -> dict[bytes, bytes]:
    found: Any = await redis.hgetall(name)
    return dict(found)


def _fault(job: Mapping[bytes, bytes], files: Path) -> str:
    """Why that job's client has not got what was promised."""
    if job.get(b"state") != b"COMPLETED":
        return f"is {job.get(b'state', b'unknown').decode()}"
    picture, verdict = json.loads(job[b"picture"]), json.loads(job[b"verdict"])
    for key, sha256 in (("key", "sha256"), ("thumbnail_key", "thumbnail_sha256")):
        file = files / picture[key]
        if not file.is_file():
            return f"has no {picture[key]}"
        if hashlib.sha256(file.read_bytes()).hexdigest() != picture[sha256]:
            return f"has other bytes in {picture[key]}"
    if not picture["sha256"] == verdict["sha256"] == job[b"sha256"].decode():
        return "was judged by other bytes"
    return ""


def _twice(evidence: Evidence, told: set[str]) -> list[str]:
    drawn = Counter(picture["job"] for picture in evidence.registered)
    return [
        *(f"{job} has {count} pictures" for job, count in drawn.items() if count > 1),
        *(f"{job} is nobody's order" for job in sorted((evidence.jobs.keys() | drawn.keys()) - told)),
    ]


@dataclass(frozen=True)
class Judged:
    digests: set[str]  # SHA-256 of all pictures that have a verdict in the log
    released: set[str]  # and of those that were released after it
    unreviewed: list[str]
    faults: list[str]


def _judged(evidence: Evidence) -> Judged:
    found, before = Judged(set(), set(), [], []), b""
    for entry, fields in evidence.log:
        told = dict(fields)
        digest = told.pop(b"digest")
        words = [before, told.pop(b"at"), told.pop(b"kind")]
        words += [word for pair in told.items() for word in pair]
        if hashlib.sha1(b"\0".join(words), usedforsecurity=False).hexdigest().encode() != digest:
            found.faults.append(entry.decode())
        before, sha256 = digest, fields.get(b"sha256", b"").decode()
        if fields[b"kind"] == b"verdict":
            found.digests.add(sha256)
        elif fields[b"kind"] == b"release":
            found.released.add(sha256)
            if sha256 not in found.digests:
                found.unreviewed.append(f"{fields[b'gen_id'].decode()} was released without a verdict")
    return found


def _unseen(evidence: Evidence, shown: Mapping[str, str], judged: Judged) -> list[str]:
    """Clients hold pictures of which the log must tell: that they were judged, and released."""
    return [
        f"{job} was shown, and the log has no {what} of it"
        for what, digests in (("verdict", judged.digests), ("release", judged.released))
        for job, sha256 in shown.items()
        if sha256 not in digests
    ]


def _usage(evidence: Evidence) -> list[str]:
    pictures = [json.loads(job[b"picture"]) for job in evidence.jobs.values() if b"picture" in job]
    expected = {
        "jobs": (evidence.usage["jobs"], len(evidence.jobs)),
        "pictures": (evidence.usage["pictures"], len(evidence.registered)),
        "bytes": (evidence.usage["bytes"], sum(picture["bytes"] for picture in pictures)),
        "orders of days": (evidence.counters["orders"], len(evidence.jobs)),
        "pictures of months": (evidence.counters["drawn"], len(evidence.registered)),
    }
    return [f"{what} {told}, and not {true}" for what, (told, true) in expected.items() if told != true]
