"""The audit log: what enters it, once, and that it shows every change."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from contract.redis_keys import AUDIT, AUDIT_HEAD
from frontend.audit.files import AuditFault, AuditFiles
from frontend.audit.log import AuditEntry, AuditLog
from frontend.common.replicas import NotReplicated
from tests.frontend.jobs.orders import SHA, judged

pytestmark = pytest.mark.redis


async def written(redis: "Redis", count: int) -> list[AuditEntry]:
    log = AuditLog(redis)
    for number in range(count):
        await log.write("key", {"event": "create", "key": f"key-{number}"})
    return [entry async for entry in log.entries()]


async def test_entries_follow_each_other(redis: "Redis") -> None:
    entries = await written(redis, 3)
    digests = ["", *(entry.digest for entry in entries)]
    assert [entry.follows(digest) for entry, digest in zip(entries, digests, strict=False)] == [True] * 3
    assert not entries[2].follows(digests[1])
    assert await AuditLog(redis).head() == digests[-1]
    assert entries[1].kind == "key" and entries[1].fields == {"event": "create", "key": "key-1"}


async def test_release_is_told_once_for_each_picture_and_key(redis: "Redis") -> None:
    for job in ("run_1", "run_2"):
        await judged(redis, job, SHA)
    for log in (AuditLog(redis), AuditLog(redis)):  # two servers
        for _ in range(3):
            await log.release("gen1", "studio", "run_1", SHA, "safe")
    await log.release("gen1", "other", "run_2", SHA, "safe")
    told = [(entry.fields["gen_id"], entry.fields["key"]) async for entry in log.entries()]
    assert told == [("gen1", "studio"), ("gen1", "other")]


async def test_release_is_not_told_where_redis_knows_of_no_verdict_on_the_picture(redis: "Redis") -> None:
    """Its reader had it from a master whose place another one has taken."""
    log = AuditLog(redis)
    await judged(redis, "run_1", "b" * 64)
    await redis.hset("imgen:job:run_2", "state", "REVIEWING")
    for job in ("run_1", "run_2", "run_3"):
        with pytest.raises(NotReplicated):
            await log.release("gen1", "studio", job, SHA, "safe")
    assert [entry async for entry in log.entries()] == []
    await judged(redis, "run_1", SHA)
    await log.release("gen1", "studio", "run_1", SHA, "safe")
    assert [entry.kind async for entry in log.entries()] == ["release"]


async def test_files_go_on_where_the_last_one_ended(redis: "Redis", tmp_path: Path) -> None:
    files, entries = AuditFiles(tmp_path / "audit"), await written(redis, 3)
    files.append(entries[:2], None)
    files.append(entries[2:], files.last())
    assert files.append([], files.last()) == []
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == [
        "audit-000001.jsonl",
        "audit-000002.jsonl",
    ]
    assert [each.fields["key"] for each in files.read()] == ["key-0", "key-1", "key-2"]


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [lines[0], lines[1].replace(b"key-1", b"key-9"), lines[2]],
        lambda lines: [lines[0], lines[2]],
        lambda lines: [lines[1], lines[0], lines[2]],
        lambda lines: [lines[1], lines[2]],
        lambda lines: [lines[0], b"{}", lines[2]],
        lambda lines: [lines[0], lines[0], lines[1], lines[2]],
    ],
)
async def test_changed_file_is_told_with_its_line(redis: "Redis", tmp_path: Path, change: object) -> None:
    assert callable(change)
    files = AuditFiles(tmp_path)
    (path,) = files.append(await written(redis, 3), None)
    path.write_bytes(b"\n".join(change(path.read_bytes().splitlines())) + b"\n")
    with pytest.raises(AuditFault, match=r"audit-000001\.jsonl, line [12]: (was changed|cannot be read)"):
        files.last()


async def test_missing_file_is_told(redis: "Redis", tmp_path: Path) -> None:
    files, entries = AuditFiles(tmp_path), await written(redis, 2)
    (first,) = files.append(entries[:1], None)
    files.append(entries[1:], files.last())
    first.unlink()
    with pytest.raises(AuditFault, match=r"audit-000001\.jsonl is missing"):
        files.last()


async def test_entry_that_was_taken_out_of_redis_is_not_exported(redis: "Redis", tmp_path: Path) -> None:
    entries = await written(redis, 3)
    await redis.xdel(AUDIT, entries[1].entry)
    left = [entry async for entry in AuditLog(redis).entries()]
    with pytest.raises(AuditFault, match="was changed, or one before it is missing"):
        AuditFiles(tmp_path).append(left, None)
    assert list(tmp_path.iterdir()) == []


async def test_forgotten_entries_are_followed_by_new_ones(redis: "Redis", tmp_path: Path) -> None:
    files, entries = AuditFiles(tmp_path), await written(redis, 2)
    files.append(entries, None)
    log = AuditLog(redis)
    assert await log.forget(entries[-1].entry) == 2
    await log.write("ruleset", {"name": "default", "version": "2"})
    last = files.last()
    assert last
    files.append([entry async for entry in log.entries(last.entry)], last)
    read = list(files.read())
    assert [entry.kind for entry in read] == ["key", "key", "ruleset"]
    assert await redis.get(AUDIT_HEAD) == read[-1].digest.encode()
