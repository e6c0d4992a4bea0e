"""`imgen catalogue tiles` with a small server: what is drawn, where it is kept, what is told when not."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from contract.redis_keys import CHANGES
from frontend.actions.context import SERVICES
from frontend.actions.events import events
from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.events.hub import Hub
from frontend.events.watch import JobWatch
from frontend.http.listener import listening
from frontend.http.middleware import middleware
from frontend.jobs.claim import Claim
from frontend.keys.api_keys import Keys
from frontend.serve import allow_connections
from tests.api.harness import Api, api
from tests.api.streams import PATIENCE_S, asked, stream
from tests.lossy_redis import wired

THOUSAND = 1_000


@pytest.fixture
async def idle(redis: "Redis", redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """A server that works on no jobs: the test does."""
    async with api(redis_url, tmp_path, workers=0) as server:
        yield server


async def taken(server: Api) -> Claim:
    claim = await server.services.jobs.next("test", 100)
    assert claim is not None
    return claim


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():
            await asyncio.sleep(0.02)


async def subscriptions(redis: "Redis") -> int:
    return int((await redis.pubsub_numsub(CHANGES))[0][1])


def cut_off() -> float:
    return REGISTRY.get_sample_value("imgen_http_refused_connections_total", {"reason": "slow reader"}) or 0.0


async def test_stream_tells_what_polls_tell_until_the_end(server: Api) -> None:
    server.triton.gate.clear()
    job = await server.generate()
    async with stream(server, job["id"]) as reader:
        assert reader.response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert reader.response.headers["Cache-Control"] == "no-store"
        assert reader.response.headers["X-Request-ID"]
        assert reader.response.headers["Access-Control-Allow-Origin"] == "*"
        first = await reader.until("IN_PROGRESS")
        assert first.name == "status" and 0 <= first.data["progress"] < 1
        server.triton.gate.set()
        told = [first, *await reader.rest()]
    ids, progress = [each.id for each in told], [each.data["progress"] for each in told[:-1]]
    assert len(set(ids)) == len(ids)
    assert progress == sorted(progress)
    end, polled = told[-1].data, await server.status(job["id"])
    assert end["status"] == "COMPLETED" and told[-1].id == "COMPLETED"
    assert {**end["meta"], "images": None} == {**polled["meta"], "images": None}
    async with server.http.get(end["meta"]["images"][0]["url"]) as response:
        assert response.status == 200
    assert len(server.acs.reviews) == 1  # which nobody had polled for


async def test_finished_job_is_told_at_once(server: Api) -> None:
    state = await server.finished()
    async with stream(server, state["meta"]["id"]) as reader:
        assert [each.data["status"] for each in await reader.rest()] == ["COMPLETED"]


async def test_place_in_the_queue_is_told_as_it_changes(idle: Api) -> None:
    first, second = [await idle.generate() for _ in range(2)]
    async with stream(idle, second["id"]) as reader:
        heard = await reader.next()
        assert heard and (heard.id, heard.data["queue_position"]) == ("IN_QUEUE-2", 2)
        await idle.post({"action": "cancel", "id": first["id"]})
        heard = await reader.next()
        assert heard and (heard.id, heard.data["queue_position"]) == ("IN_QUEUE-1", 1)


async def test_who_comes_back_is_spared_what_it_knows(idle: Api) -> None:
    job = await idle.generate()
    claim = await taken(idle)
    await idle.services.jobs.beat(claim, 0.25)
    async with stream(idle, job["id"], last="IN_PROGRESS-0.250") as reader:
        await idle.services.jobs.beat(claim, 0.5)
        heard = await reader.next()
        assert heard and heard.data == {"status": "IN_PROGRESS", "progress": 0.5}
    async with stream(idle, job["id"], last="no such event") as reader:
        heard = await reader.next()
        assert heard and heard.id == "IN_PROGRESS-0.500"
        await idle.services.jobs.fail(claim)
        assert [each.id for each in await reader.rest()] == ["FAILED"]
    async with asked(idle, job["id"], last="FAILED") as response:
        assert (response.status, await response.read()) == (204, b"")
    assert idle.services.seats.taken == 0


async def test_thousand_streams_are_one_subscription(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    allow_connections(3 * THOUSAND)
    limits = {"max_connections": 2 * THOUSAND, "key_streams_limit": THOUSAND}
    async with (
        api(redis_url, tmp_path, workers=0, **limits) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        contextlib.AsyncExitStack() as stack,
    ):
        job = await server.generate()
        readers = [await stack.enter_async_context(stream(server, job["id"], http)) for _ in range(THOUSAND)]
        assert [heard.id for reader in readers if (heard := await reader.next())] == ["IN_QUEUE-1"] * THOUSAND
        assert await subscriptions(redis) == 1
        async with asked(server, job["id"], http) as refused:
            assert refused.status in (429, 503)
        await server.post({"action": "cancel", "id": job["id"]})
        ends = await asyncio.gather(*(reader.rest() for reader in readers))
        # On a busy machine signs of life come before the end.
        told = [[each.id for each in end if not each.comment] for end in ends]
        assert told == [["CANCELLED"]] * THOUSAND
        assert server.services.seats.taken == 0


@pytest.mark.parametrize(
    ("limits", "status", "words"),
    [
        ({"streams_limit": 1}, 503, "Server is busy"),
        ({"key_streams_limit": 1}, 429, "Too many open streams for this key"),
    ],
)
async def test_more_streams_than_may_be_are_refused_and_leave_room_for_others(
    redis: "Redis", redis_url: str, tmp_path: Path, limits: dict[str, int], status: int, words: str
) -> None:
    async with api(redis_url, tmp_path, workers=0, **limits) as server:
        job = await server.generate()
        async with stream(server, job["id"]) as reader:
            await reader.next()
            async with asked(server, job["id"]) as refused:
                assert (refused.status, await refused.json()) == (status, {"error": words})
                assert refused.headers["Retry-After"] == "5"
            assert (await server.status(job["id"]))["status"] == "IN_QUEUE"
            reader.response.close()  # a client that just goes away
            await until(lambda: _is(server.services.seats.taken, 0))
        async with stream(server, job["id"]) as reader:
            assert await reader.next()


async def _is(found: object, wanted: object) -> bool:
    return found == wanted


async def test_reader_that_never_reads_is_cut_off_and_holds_up_nobody(idle: Api) -> None:
    job, before = await idle.generate(), cut_off()
    claim = await taken(idle)
    with socket.socket() as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        wire.connect(("127.0.0.1", idle.settings.port))
        head = f"GET /api/v2/jobs/{job['id']}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {idle.key}"
        wire.sendall(f"{head}\r\n\r\n".encode())
        async with stream(idle, job["id"]) as reader, asyncio.timeout(PATIENCE_S):
            step = 0
            while cut_off() == before:
                step += 1
                await idle.services.jobs.beat(claim, step % 999 / 1_000)
                await reader.next()
            await idle.services.jobs.fail(claim)
            assert (await reader.until("FAILED")).id == "FAILED"
    await until(lambda: _is(idle.services.seats.taken, 0))


@pytest.mark.parametrize("job_id", ["run_short", "run_" + "a" * 20, "x" * 3_000, "run_%00" + "a" * 20])
async def test_bad_ids_are_all_alike(shared: Api, job_id: str) -> None:
    async with asked(shared, job_id) as response:
        assert (response.status, await response.json()) == (400, {"error": "Bad ID"})


async def test_another_keys_job_is_a_bad_id_and_no_key_is_no_stream(idle: Api) -> None:
    job = await idle.generate()
    _, other = await Keys(idle.redis).create("other")
    async with asked(replace(idle, key=other), job["id"]) as response:
        assert (response.status, await response.json()) == (400, {"error": "Bad ID"})
    url = f"{idle.url}/api/v2/jobs/{job['id']}/events"
    async with idle.http.get(url) as response:
        assert (response.status, await response.json()) == (401, {"error": "Unauthorized"})
    for method in ("HEAD", "POST", "DELETE"):
        async with idle.http.request(
            method, url, headers={"Authorization": f"Bearer {idle.key}"}
        ) as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET")
    assert idle.services.seats.taken == 0


async def test_disabled_key_is_told_nothing_more(idle: Api) -> None:
    job = await idle.generate()
    async with stream(idle, job["id"]) as reader:
        await reader.next()
        await Keys(idle.redis).disable("test")
        assert await reader.rest() == []


async def test_stream_outlives_a_redis_that_is_away(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with wired(redis_url, tmp_path) as (wire, client):
        near = f"unix://{client.connection_pool.connection_kwargs['path']}"
        async with api(near, tmp_path / "server", workers=0) as server:
            job = await server.generate()
            async with stream(server, job["id"]) as reader:
                await reader.next()
                claim = await taken(server)
                await reader.until("IN_PROGRESS")
                wire.cut()
                await redis.hset(
                    f"imgen:job:{job['id']}", "progress", "0.75"
                )  # of another server, unheard here
                wire.mend()
                heard = await reader.next()
                assert heard and heard.data == {"status": "IN_PROGRESS", "progress": 0.75}
                await server.services.jobs.fail(claim)
                assert [each.id for each in await reader.rest()] == ["FAILED"]


async def test_reviewer_that_is_away_is_asked_again_without_a_poll(server: Api) -> None:
    away = True

    async def answer(verdict: dict[str, object]) -> web.StreamResponse:
        return web.Response(status=503) if away else web.json_response(verdict)

    server.acs.answer = answer
    job = await server.generate()
    async with stream(server, job["id"]) as reader:
        while (heard := await reader.until("IN_PROGRESS")).data["progress"] < 1:
            pass
        assert heard.id == "IN_PROGRESS-1.000" and set(heard.data) == {"status", "progress"}
        await until(lambda: _is(bool(server.acs.reviews), True))
        away = False
        assert (await reader.until("COMPLETED")).data["meta"]["compliance"] == "safe"


async def test_triton_that_is_away_ends_no_stream(server: Api) -> None:
    server.triton.failures = [InferenceError("connection refused", FailureScope.SERVERS)] * 2
    job = await server.generate()
    async with stream(server, job["id"]) as reader:
        told = [each.data["status"] for each in await reader.rest()]
    assert told[-1] == "COMPLETED" and set(told) <= {"IN_QUEUE", "IN_PROGRESS", "COMPLETED"}
    assert len(server.triton.orders) == 3


async def test_server_that_stops_says_when_to_ask_again(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with aiohttp.ClientSession() as http, contextlib.AsyncExitStack() as stack:
        async with api(redis_url, tmp_path, workers=0) as server:
            job = await server.generate()
            reader = await stack.enter_async_context(stream(server, job["id"], http))
            await reader.next()
        last = await reader.rest()
    assert [(each.name, 2_000 <= each.retry < 4_000) for each in last] == [("", True)]
    assert await subscriptions(redis) == 0


async def test_comment_comes_when_nothing_else_does(idle: Api) -> None:
    services = idle.services
    quick = JobWatch(services.jobs, services.reviews, Hub(), look_again_s=0.05)
    app = web.Application(middlewares=[middleware(())])
    app[SERVICES] = replace(services, watch=quick)
    app.add_routes([web.get("/api/v2/jobs/{id}/events", events)])
    job = await idle.generate()
    async with listening(app, "127.0.0.1", 0, idle.settings, drain_s=0) as addresses:
        beside = replace(idle, url=f"http://127.0.0.1:{addresses[0][1]}")
        async with stream(beside, job["id"]) as reader:
            assert (await reader.until("IN_QUEUE")).id == "IN_QUEUE-1"
            heard = [await reader.next() for _ in range(2)]
            assert all(each and each.comment and not each.data for each in heard)
            await taken(idle)  # of which this process hears nothing: it looks by itself
            assert await reader.until("IN_PROGRESS")
