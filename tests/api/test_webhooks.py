"""Webhooks: what receivers are told of jobs' ends, and what happens to a receiver that behaves badly."""

import asyncio
import contextlib
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from standardwebhooks import WebhookVerificationError

from contract.acs import Category
from contract.redis_keys import WEBHOOK_LANE_PREFIX, WEBHOOKS_PENDING
from frontend.jobs.claim import Claim
from frontend.keys.api_keys import KeyRecord, Keys
from frontend.keys.secret import digest
from frontend.keys.webhook_secrets import WebhookSecretStore
from frontend.settings import ROOT
from frontend.webhooks.delivery import Delivery, DeliveryState
from frontend.webhooks.store import DeliveryStore
from tests.api.harness import PROMPT, Api, api
from tests.fakes import UNSAFE
from tests.frontend.jobs.orders import a_picture, a_verdict
from tests.webhook_receiver import FAULTS, Message, Receiver, receiving

FAILURES = 500
JOBS = 100


@dataclass(frozen=True)
class Studio:
    """A client whose key has a secret, and its receiver."""

    server: Api
    receiver: Receiver
    key: KeyRecord
    secret: str

    async def order(self, **fields: Any) -> str:
        job = await self.server.generate(**{"webhook_url": self.receiver.url, **fields})
        return str(job["id"])

    async def ended(self, **fields: Any) -> Message:
        return await self.receiver.message(await self.order(**fields))

    async def until(self, job_id: str, holds: Callable[[Delivery], bool]) -> Delivery:
        async with asyncio.timeout(30):
            while True:
                for each in await DeliveryStore(self.server.redis).list(1_000):
                    if each.job_id == job_id and holds(each):
                        return each
                await asyncio.sleep(0.02)


def is_delivered(delivery: Delivery) -> bool:
    return delivery.state is DeliveryState.DELIVERED


def is_given_up(delivery: Delivery) -> bool:
    return delivery.state is DeliveryState.GIVEN_UP


@contextlib.asynccontextmanager
async def studio(redis: "Redis", redis_url: str, folder: Path, **changes: Any) -> AsyncIterator[Studio]:
    async with receiving(folder) as receiver:
        settings = {
            "private_networks": ("127.0.0.0/8",),
            "webhook_ca": folder / "chain.pem",
            "webhook_timeout_s": 20.0,
            "webhook_retry_s": 0.01,
            **changes,
        }
        async with api(redis_url, folder, **settings) as server:
            key = next(each for each in await Keys(redis).all() if each.digest == digest(server.key))
            secret = await WebhookSecretStore(redis).add(key)
            receiver.secrets.append(secret)
            yield Studio(server, receiver, key, secret)


@pytest.fixture
async def client(redis: "Redis", redis_url: str, tmp_path: Path) -> AsyncIterator[Studio]:
    async with studio(redis, redis_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def idle(redis: "Redis", redis_url: str, tmp_path: Path) -> AsyncIterator[Studio]:
    """Its server works on no jobs: the test does."""
    async with studio(redis, redis_url, tmp_path, workers=0, webhook_timeout_s=0.3) as opened:
        yield opened


async def taken(client: Studio) -> Claim:
    claim = await client.server.services.jobs.next("test", 100)
    assert claim is not None
    return claim


async def test_receiver_is_told_what_a_poll_tells_although_nobody_polled(client: Studio) -> None:
    job = await client.order()
    message = await client.receiver.message(job)
    assert message.id == job and message.headers["content-type"] == "application/json"
    assert len(client.server.acs.reviews) == 1
    told, polled = message.verify(client.secret), await client.server.status(job)
    assert told["status"] == "COMPLETED"
    assert {**told["meta"], "images": None} == {**polled["meta"], "images": None}
    async with client.server.http.get(told["meta"]["images"][0]["url"]) as picture:
        assert picture.status == 200
    assert (await client.until(job, is_delivered)).outcome == "204"
    assert client.receiver.taken == {job: 1}


async def test_documented_receiver_takes_it_and_refuses_a_changed_one(
    client: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, program = await client.ended(), dict[str, Any]()
    (source,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "api.md").read_text().split("## Webhooks")[1], re.S
    )
    monkeypatch.setenv("IMGEN_WEBHOOK_SECRET", client.secret)
    exec(source, program)
    job, state = program["receive"](message.raw, message.headers)
    assert (job, state["meta"]["id"]) == (message.id, message.id)
    with pytest.raises(WebhookVerificationError):
        program["receive"](message.raw.replace(b"COMPLETED", b"CANCELLED"), message.headers)


async def test_description_has_the_body_and_the_headers(client: Studio) -> None:
    async with client.server.http.get(f"{client.server.url}/openapi.json") as response:
        described = await response.json()
    told = described["webhooks"]["jobEnded"]["post"]
    message = await client.ended()
    assert all(message.headers[each["name"]] for each in told["parameters"])
    body = {
        "$defs": described["components"]["schemas"],
        **told["requestBody"]["content"]["application/json"]["schema"],
    }
    checked = json.loads(json.dumps(body).replace("#/components/schemas/", "#/$defs/"))
    assert jsonschema_rs.is_valid(checked, message.body)
    assert not jsonschema_rs.is_valid(checked, {"status": "IN_PROGRESS", "progress": 0.5})


async def test_blocked_and_failed_and_cancelled_and_late_jobs_are_told(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with studio(redis, redis_url, tmp_path, workers=0) as client:
        server, jobs = client.server, client.server.services.jobs
        blocked = await client.order()
        assert await jobs.made(await taken(client), a_picture())
        unsafe = {"compliance": "unsafe", "categories": (Category(id="gore", name="Gore"),)}
        assert await jobs.judge(blocked, msgspec.structs.replace(a_verdict(), **unsafe))
        failed = await client.order()
        await jobs.fail(await taken(client))
        cancelled = await client.order()
        assert (await server.post({"action": "cancel", "id": cancelled}))[0] == 200
        for job in (blocked, failed, cancelled):
            told = (await client.receiver.message(job)).body
            assert told.keys() == (polled := await server.status(job)).keys()
            assert told["status"] == polled["status"]
        assert (await client.receiver.message(blocked)).body["compliance"] == "unsafe"
    async with studio(redis, redis_url, tmp_path, workers=0, job_deadline_s=1.0) as client:
        assert (await client.ended()).body["status"] == "TIMED_OUT"


async def test_hit_of_the_cache_is_told(client: Studio) -> None:
    await client.ended()
    async with asyncio.timeout(10):
        while client.server.services.cache.size != 1:
            await asyncio.sleep(0.01)
    job = await client.order(use_cache=True, cache_only=True)
    told = (await client.receiver.message(job)).body
    assert (told["status"], told["cache"], told["meta"]["id"]) == ("COMPLETED", True, job)


async def test_verdict_that_is_long_in_coming_is_waited_for(client: Studio) -> None:
    """Without an attempt: there is nothing to tell."""
    client.server.acs.verdict = {}
    job = await client.order()
    async with asyncio.timeout(30):
        while len(client.server.acs.reviews) < 2:
            await asyncio.sleep(0.02)
    assert client.receiver.attempts == []
    client.server.acs.verdict = UNSAFE
    assert (await client.receiver.message(job)).body["compliance"] == "unsafe"
    assert (await client.until(job, is_delivered)).tries == 1


async def test_repeated_order_is_told_once(client: Studio) -> None:
    first = await client.order(idempotency_key="one")
    assert await client.order(idempotency_key="one") == first
    await client.until(first, is_delivered)
    await client.ended()
    assert client.receiver.taken[first] == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://studio.example/imgen",
        "https://user:secret@studio.example/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "https://2130706433/",
        "studio.example",
        "https://",
        "https://studio.example:99999/",
    ],
)
async def test_address_that_may_not_be_called_is_refused_with_the_order(client: Studio, url: str) -> None:
    answer = await client.server.post({"action": "generate", "prompt": PROMPT, "webhook_url": url})
    words = "Invalid webhook_url: expected https URL of a public address"
    assert answer == (400, {"error": words})


async def test_key_without_a_secret_is_told_how_to_get_one(server: Api) -> None:
    order = {"action": "generate", "prompt": PROMPT, "webhook_url": "https://studio.example/"}
    status, answer = await server.post(order)
    assert (status, answer["error"]) == (400, "Webhook secret is missing")
    assert "imgen keys webhook-secret" in answer["detail"]
    assert (await server.post({**order, "webhook_url": ""}))[0] == 200


async def test_name_that_leads_inside_is_never_connected_to(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with studio(redis, redis_url, tmp_path, workers=0, private_networks=()) as client:
        job = await client.order(webhook_url=client.receiver.url.replace("127.0.0.1", "localhost"))
        await client.server.post({"action": "cancel", "id": job})
        found = await client.until(job, lambda delivery: delivery.tries >= 3)
        assert found.outcome == "no connection to a public address"
        assert client.receiver.attempts == []


async def test_both_secrets_sign_until_the_older_is_retired(client: Studio) -> None:
    store = WebhookSecretStore(client.server.redis)
    newer = await store.add(client.key)
    client.receiver.secrets.append(newer)  # who verifies each attempt with both
    await client.ended()
    await store.retire_older(client.key)
    client.receiver.secrets.remove(client.secret)
    message = await client.ended(seed=1)
    message.verify(newer)
    with pytest.raises(WebhookVerificationError):
        message.verify(client.secret)


async def test_receiver_that_is_gone_and_disabled_key_end_the_attempts(idle: Studio) -> None:
    idle.receiver.behave = lambda message: "410"
    gone = await idle.order()
    await idle.server.post({"action": "cancel", "id": gone})
    ended = await idle.until(gone, is_given_up)
    assert (ended.tries, ended.outcome, ended.due) == (1, "410: the receiver wants no more", 0)
    idle.receiver.behave = lambda message: "500"
    disabled = await idle.order()
    await idle.server.post({"action": "cancel", "id": disabled})
    await Keys(idle.server.redis).disable("test")
    assert (await idle.until(disabled, is_given_up)).outcome == "the key is disabled"
    assert await idle.server.redis.hgetall(WEBHOOKS_PENDING) == {}


async def test_slow_receiver_delays_no_other(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    """Of the same key, even: while it hangs, and more wait for it, the other one is told."""
    async with studio(redis, redis_url, tmp_path, workers=0) as client:
        slow = client.receiver.url.replace("127.0.0.1", "localhost")
        client.receiver.behave = lambda message: "hangs" if "localhost" in message.headers["host"] else "ok"
        for _ in range(30):
            job = await client.order(webhook_url=slow)
            await client.server.post({"action": "cancel", "id": job})
        await client.receiver.until(lambda: client.receiver.hanging == 4)
        quick = await client.order()
        await client.server.post({"action": "cancel", "id": quick})
        await client.receiver.message(quick)
        assert client.receiver.hanging == 4
        client.receiver.released.set()


async def test_key_whose_webhooks_pile_up_is_told_to_wait(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    bounds = {"key_webhooks_limit": 2, "webhooks_limit": 3}
    async with studio(redis, redis_url, tmp_path, workers=0, webhook_retry_s=30.0, **bounds) as client:
        client.receiver.behave = lambda message: "500"
        for _ in range(2):
            job = await client.order()
            await client.server.post({"action": "cancel", "id": job})
        order = {"action": "generate", "prompt": PROMPT, "webhook_url": client.receiver.url}
        assert await client.server.post(order) == (
            429,
            {"error": "Too many webhooks of this key are undelivered"},
        )
        await client.order(webhook_url="")
        record, other = await Keys(redis).create("other")
        await WebhookSecretStore(redis).add(record)
        neighbour = replace(client, server=replace(client.server, key=other))
        job = await neighbour.order()
        await neighbour.server.post({"action": "cancel", "id": job})
        assert (await neighbour.server.post(order))[0] == 503


async def test_webhook_is_replayed_under_its_id(idle: Studio) -> None:
    job = await idle.order()
    await idle.server.post({"action": "cancel", "id": job})
    await idle.until(job, is_delivered)
    store = DeliveryStore(idle.server.redis)
    assert await store.replay(job) == "replayed"
    await idle.receiver.until(lambda: idle.receiver.taken[job] == 2)
    assert await store.replay("run_a1b2c3d4e5f6g7h8i9j0") == "gone"


async def test_none_is_lost_through_500_failures_of_the_receiver(idle: Studio) -> None:
    """Random ones, of every kind; each attempt of a job has the same id and a signature that holds."""
    client, left = idle, Counter[str]()
    chance = random.Random(7)
    seen = Counter[str]()

    def behave(message: Message) -> str:
        if not left[message.id]:
            return "ok"
        left[message.id] -= 1
        fault = chance.choice(FAULTS)
        seen[fault] += 1
        return fault

    client.receiver.behave = behave
    jobs = client.server.services.jobs
    for number in range(JOBS):
        job = await client.order(seed=number)
        left[job] = FAILURES // JOBS
        if number % 3:
            await client.server.post({"action": "cancel", "id": job})
        else:
            assert await jobs.made(await taken(client), a_picture())
            assert await jobs.judge(job, a_verdict())
    ordered = set(left)
    await client.receiver.until(lambda: set(client.receiver.taken) == ordered, within_s=120)
    assert seen.keys() == set(FAULTS)
    assert sum(seen.values()) == FAILURES
    states = Counter(each.body["status"] for each in client.receiver.attempts if not left[each.id])
    assert set(states) == {"CANCELLED", "COMPLETED"}
    for job in ordered:
        await client.until(job, is_delivered)
    redis = client.server.redis
    assert await redis.hgetall(WEBHOOKS_PENDING) == {} and await redis.keys(f"{WEBHOOK_LANE_PREFIX}*") == []
    assert (REGISTRY.get_sample_value("imgen_webhook_attempts_total", {"outcome": "failed"}) or 0) >= FAILURES
