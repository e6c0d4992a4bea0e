"""What a key may, over HTTP: its scope, its end, its new secret."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from redis.asyncio import Redis

from frontend.keys.api_keys import Keys, KeyTerms, Scope, rfc3339
from frontend.keys.webhook_secrets import WebhookSecretStore
from tests.api.harness import Api, api


async def asked(server: Api, key: str, action: str = "models") -> tuple[int, str]:
    status, answer = await server.post({"action": action}, Authorization=f"Bearer {key}")
    return status, answer.get("error", "")


async def test_key_for_verify_may_verify_and_nothing_else(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        terms = KeyTerms(scopes=(Scope.VERIFY,))
        _, key = await Keys(redis).create("checker", terms=terms)
        assert await asked(server, key, "verify") == (400, "Either image or url is required")
        for action in ("models", "generate", "status", "cancel", "optimize", "random"):
            assert await asked(server, key, action) == (403, "Forbidden")
        for path in ("/api/v2/tiles", "/api/v2/jobs/run_0123456789abcdef/events"):
            headers = {"Authorization": f"Bearer {key}"}
            async with server.http.get(f"{server.url}{path}", headers=headers) as response:
                assert response.status == 403
        order = {"model": "eros", "prompt": "a tree"}
        path, headers = "/v1/images/generations", {"Authorization": f"Bearer {key}"}
        async with server.http.post(f"{server.url}{path}", json=order, headers=headers) as response:
            assert response.status == 403
        assert await asked(server, server.key, "verify") == (400, "Either image or url is required")


async def test_key_ends_when_it_expires(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        keys, now = Keys(redis), datetime.now(UTC)
        record, key = await keys.create("guest", terms=KeyTerms(expires=rfc3339(now + timedelta(hours=1))))
        assert await asked(server, key) == (200, "")
        await keys.set(record.id, {"expires": rfc3339(now - timedelta(seconds=1))})
        assert await asked(server, key) == (401, "Unauthorized")
        await keys.set(record.id, {"expires": ""})
        assert await asked(server, key) == (200, "")


async def test_new_secret_is_the_same_key_and_the_old_one_ends_after_its_grace(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        keys, job = Keys(redis), await server.generate()
        new = await keys.rotate("test", timedelta(hours=1))
        status = {"action": "status", "id": job["id"]}
        for secret in (server.key, new):
            code, answer = await server.post(status, Authorization=f"Bearer {secret}")
            assert (code, answer["status"]) == (200, "IN_QUEUE")
        newest = await keys.rotate("test", timedelta())
        assert [(await asked(server, each))[0] for each in (server.key, new, newest)] == [401, 401, 200]
        await keys.disable("test")
        assert await asked(server, newest) == (401, "Unauthorized")


async def test_what_is_set_counts_for_both_secrets_but_the_end_of_the_old_one(redis: "Redis") -> None:
    keys = Keys(redis)
    _, old = await keys.create("studio")
    new = await keys.rotate("studio", timedelta(hours=1))
    await keys.set("studio", {"rate": 5.0, "expires": ""})
    former, current = [await keys.authorize(f"Bearer {secret}") for secret in (old, new)]
    assert (former.rate, current.rate, former.id) == (5.0, 5.0, current.id)
    assert (former.replaced, bool(former.expires), current.expires) == (True, True, "")


async def test_webhooks_of_a_key_with_a_new_secret_are_signed_as_before(redis: "Redis") -> None:
    keys, store = Keys(redis), WebhookSecretStore(redis)
    record, _ = await keys.create("studio")
    await store.add(record)
    for _ in range(2):
        await keys.rotate("studio", timedelta(hours=1))
    found = await store.of(record.id)
    assert found and not found[0].disabled and found[0].id == record.id
