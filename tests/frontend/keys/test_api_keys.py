"""Changes of keys whose answers are lost are asked for again, and done and told of once."""

from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from frontend.audit.log import AuditLog
from frontend.keys.api_keys import Keys, KeyTerms
from frontend.keys.secret import digest
from frontend.keys.webhook_secrets import WebhookSecretStore
from tests.lossy_redis import wired

pytestmark = pytest.mark.redis


async def told(redis: "Redis") -> list[tuple[str, str]]:
    """What the audit log tells of keys: event, key."""
    return [(entry.fields["event"], entry.fields["key"]) async for entry in AuditLog(redis).entries()]


async def test_key_whose_answers_are_lost_is_changed_and_told_once(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with wired(redis_url, tmp_path) as (wire, near):
        keys = Keys(near)
        first, _ = await keys.create("first")  # so that the scripts are there
        wire.lose_answer_to("web-shop")
        key, old = await keys.create("web-shop")
        wire.lose_answer_to("at night")
        (changed,) = await keys.set("web-shop", {"note": "at night"})
        wire.lose_answer_to("replaced")
        new = await keys.rotate("web-shop", timedelta(hours=1))
        for secret in (old, new):
            assert (await keys.look_up(digest(secret))).id == key.id
        wire.lose_answer_to("EXEC")
        await keys.disable("web-shop")
        assert wire.lost == 4
        assert changed.note == "at night"
    assert await told(redis) == [
        ("create", first.id),
        *((event, key.id) for event in ("create", "set", "rotate", "disable")),
    ]


async def test_secret_that_a_key_has_already_makes_no_other_key(redis: "Redis") -> None:
    keys = Keys(redis)
    for terms in (KeyTerms(daily=5), KeyTerms()):
        await keys.create("local", "imgen_1", terms)
    (kept,) = await keys.all()
    assert (kept.daily, await told(redis)) == (5, [("create", kept.id)])


async def test_what_was_so_before_is_no_change(redis: "Redis") -> None:
    keys = Keys(redis)
    key, _ = await keys.create("web-shop")
    for _ in range(2):
        (stored,) = await keys.set("web-shop", {"daily": 5})
        assert stored.daily == 5
    assert await told(redis) == [("create", key.id), ("set", key.id)]


async def test_webhook_secret_whose_answer_is_lost_leaves_the_older_one_valid(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    key, _ = await Keys(redis).create("web-shop")
    async with wired(redis_url, tmp_path) as (wire, near):
        store = WebhookSecretStore(near)
        older = await store.add(key)
        wire.lose_answer_to("EXEC")
        newer = await store.add(key)
        assert wire.lost == 1
        found = await store.of(key.id)
        assert found and found[1].secrets == (newer, older)
