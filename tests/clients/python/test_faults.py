"""Answers that are lost, servers that are busy, away or strange; through a proxy before the real one.

What is sent again and why stands once for both clients (imgen_client/core.py), so most is tried with one;
each client's own half, which performs it, with both.
"""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from aiohttp import web

import imgen_client as sdk
from frontend.keys.api_keys import Keys, KeyTerms, Scope
from tests.api.harness import Api
from tests.clients.python.programs import with_client
from tests.clients.sse import Connection, event, telling
from tests.clients.unreliable import Fault, LostAnswer, LostRequest, Refused, Unreliable, listening
from tests.fakes import UNSAFE

JOB = "run_0123456789abcdef"
Draw = Callable[[str, str, int], Awaitable[list[sdk.Picture]]]


async def draw_sync(url: str, key: str, count: int) -> list[sdk.Picture]:
    def draw(client: sdk.Client) -> list[sdk.Picture]:
        return [client.generate("a red car", seed=7).wait() for _ in range(count)]

    return await with_client(url, key, draw)


async def draw_async(url: str, key: str, count: int) -> list[sdk.Picture]:
    async with sdk.AsyncClient(url, key, poll_s=0.05) as client:
        jobs = [await client.generate("a red car", seed=7) for _ in range(count)]
        return list(await asyncio.gather(*(job.wait() for job in jobs)))


@pytest.mark.parametrize("draw", [draw_sync, draw_async])
async def test_order_whose_answers_are_lost_is_drawn_once(server: Api, draw: Draw) -> None:
    faults: dict[str, list[Fault]] = {
        "generate": [LostAnswer(), LostRequest(), Refused(502, "Bad gateway")],
    }
    async with Unreliable(server.url, faults=faults).running() as proxy:
        pictures = await draw(proxy.url, server.key, 2)
    keys = [each.body["idempotency_key"] for each in proxy.seen_of("generate")]
    assert len(keys) == 5 and len(set(keys[:4])) == 1 and keys[4] not in keys[:4]
    assert len({picture.job_id for picture in pictures}) == len(server.triton.orders) == 2
    assert [picture.meta.seed for picture in pictures] == [7, 7]
    assert all(len(picture.bytes) > 1000 for picture in pictures)


async def test_on_away_is_told_and_may_end_the_wait(server: Api) -> None:
    told: list[str] = []

    def give_up(error: sdk.ImgenError) -> None:
        told.append(str(error))
        raise error

    faults: dict[str, list[Fault]] = {"generate": [LostRequest()]}
    async with Unreliable(server.url, faults=faults).running() as proxy:
        with pytest.raises(sdk.Unreachable):
            await with_client(proxy.url, server.key, lambda client: client.generate("x", on_away=give_up))
    assert len(told) == 1 and told[0].startswith(f"{proxy.url} does not answer: ")


async def test_cancel_whose_answer_is_lost_has_cancelled(server: Api) -> None:
    server.triton.gate.clear()

    def cancel(client: sdk.Client) -> str:
        job = client.generate("a red car")
        job.cancel()
        with pytest.raises(sdk.Cancelled):
            job.wait()
        return job.status().status

    async with Unreliable(server.url, faults={"cancel": [LostAnswer()]}).running() as proxy:
        assert await with_client(proxy.url, server.key, cancel) == "CANCELLED"


async def test_cancel_of_a_finished_job_is_a_conflict(server: Api) -> None:
    def cancel(client: sdk.Client) -> None:
        job = client.generate("a red car")
        job.wait()
        with pytest.raises(sdk.Conflict, match="Job is already COMPLETED"):
            job.cancel()

    await with_client(server.url, server.key, cancel)


REFUSALS = [
    (Refused(503, "Queue is full", "7"), sdk.QueueFull, 7),
    (Refused(503, "Server is shutting down", "5"), sdk.Unavailable, 5),
    (Refused(429, "Too many requests for this key", "3600"), sdk.RateLimited, 3600),
    (Refused(503, "Server is busy", "Fri, 01 Jan 2016 00:00:00 GMT"), sdk.Unavailable, 0),
    (Refused(503, "Server is busy", "soon"), sdk.Unavailable, None),
    (Refused(502, "Generation failed", detail="The model has no weights"), sdk.ServerError, None),
    (Refused(500, "Internal error"), sdk.ServerError, None),
    (Refused(413, "Request body is too large"), sdk.TooLarge, None),
    (Refused(409, "Idempotency key was used for another request"), sdk.Conflict, None),
    (Refused(418, "What"), sdk.Refusal, None),
]


@pytest.mark.parametrize(("refused", "kind", "retry_after"), REFUSALS)
async def test_refusal_is_told_by_its_kind(
    server: Api, refused: Refused, kind: type[sdk.Refusal], retry_after: float | None
) -> None:
    async with Unreliable(server.url, faults={"generate": [refused]}).running() as proxy:
        with pytest.raises(sdk.Refusal) as caught:
            await with_client(proxy.url, server.key, lambda client: client.generate("a car"), patience_s=0)
    assert type(caught.value) is kind
    told = caught.value
    assert (told.words, told.status, told.detail) == (refused.words, refused.status, refused.detail)
    assert told.retry_after == retry_after


async def test_refusals_of_the_real_server_are_told_by_their_kind(server: Api) -> None:
    server.acs.verdict = UNSAFE

    def ask(client: sdk.Client) -> sdk.Blocked:
        with pytest.raises(sdk.BadRequest, match="There is no @nobody"):
            client.generate("@nobody waving")
        with pytest.raises(sdk.NotFound, match="No cached result found"):
            client.generate("a red car", use_cache=True, cache_only=True)
        with pytest.raises(sdk.BadRequest, match="Bad ID"):
            client.job(JOB).wait()
        with pytest.raises(sdk.Unauthorized), sdk.Client(server.url, "wrong") as other:
            other.models()
        with pytest.raises(sdk.Forbidden), sdk.Client(server.url, for_verify) as other:
            other.usage()
        with pytest.raises(sdk.Blocked) as caught:
            client.generate("a red car").wait()
        return caught.value

    _, for_verify = await Keys(server.redis).create("checker", terms=KeyTerms(scopes=(Scope.VERIFY,)))
    blocked = await with_client(server.url, server.key, ask)
    assert blocked.categories == ("weapons", "gore") and blocked.unsafe_url
    async with server.http.get(blocked.unsafe_url) as response:
        assert response.content_type == "image/jpeg"


async def test_usage_is_told_by_day(server: Api) -> None:
    async with sdk.AsyncClient(server.url, server.key) as client:
        await (await client.generate("a red car")).wait()
        used = await client.usage(days=1)
    (day,) = used.days
    assert (used.total.jobs, day.pictures, used.limits) == (1, 1, {"priority": "normal"})
    told = await with_client(server.url, server.key, lambda client: client.usage())
    assert told.total == used.total


async def test_queue_that_is_full_for_longer_than_one_waits_is_told_at_once(server: Api) -> None:
    """And one that is free again in time costs nothing but the wait."""
    faults: dict[str, list[Fault]] = {
        "generate": [Refused(503, "Queue is full", "1"), Refused(503, "Queue is full", "3600")]
    }
    async with Unreliable(server.url, faults=faults).running() as proxy:
        with pytest.raises(sdk.QueueFull) as caught:
            await with_client(proxy.url, server.key, lambda client: client.generate("a red car"))
    assert caught.value.retry_after == 3600 and len(proxy.seen) == 2


@pytest.mark.parametrize("body", ["<html>welcome</html>", "", "[]", '"ok"', '{"characters": 1}'])
async def test_something_else_that_answers_is_told(body: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=body)

    async with listening(answer) as url:
        with pytest.raises(sdk.NotImgen):
            await with_client(url, "k", lambda client: client.models())


async def test_answer_without_end_is_not_taken() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(1 << 20))

    async with listening(answer) as url:
        with pytest.raises(sdk.NotImgen, match="larger than"):
            await with_client(url, "k", lambda client: client.models())


async def test_nothing_that_listens_is_told() -> None:
    with pytest.raises(sdk.Unreachable, match=r"http://127\.0\.0\.1:9 does not answer: ") as caught:
        await with_client("http://127.0.0.1:9", "k", lambda client: client.models(), patience_s=0)
    assert caught.value.refused


@pytest.mark.parametrize("draw", [draw_sync, draw_async])
async def test_expired_link_is_asked_for_anew_and_gets_no_key(server: Api, draw: Draw) -> None:
    """The answers are those of a real picture; only the links have aged."""
    picture = (await draw(server.url, server.key, 1))[0]
    seen: list[httpx.Headers] = []

    def expired(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(200, json={"status": "COMPLETED", "meta": picture.meta.answer})
        if request.url.path.endswith("/events"):
            return httpx.Response(404, json={"error": "Not found"})
        seen.append(request.headers)
        return httpx.Response(403 if len(seen) == 1 else 200, content=b"file")

    with sdk.Client(server.url, server.key, transport=httpx.MockTransport(expired)) as client:
        assert client.job(picture.job_id).wait().bytes == b"file"
    assert len(seen) == 2 and not any("authorization" in headers for headers in seen)


async def streamed_sync(url: str) -> list[sdk.Status]:
    return await with_client(url, "k", lambda client: list(client.job(JOB).stream()))


async def streamed_async(url: str) -> list[sdk.Status]:
    async with sdk.AsyncClient(url, "k") as client:
        return [status async for status in client.job(JOB).stream()]


Streamed = Callable[[str], Awaitable[list[sdk.Status]]]


@pytest.mark.parametrize("streamed", [streamed_sync, streamed_async])
async def test_stream_that_breaks_is_resumed_after_its_last_event(streamed: Streamed) -> None:
    whole = f"retry: 10\n\n: hello\n\n{event(1, 'IN_QUEUE')}{event(2, 'IN_PROGRESS', progress=0.5)}"
    connections = [
        Connection(whole.replace("\n", "\r\n"), by_byte=True),
        Connection(event(3, "IN_PROGRESS", progress=0.9), breaks=True),
        Connection(event(4, "CANCELLED")),
    ]
    async with telling(connections) as stream:
        said = [(each.status, each.progress) for each in await streamed(stream.url)]
    progress = [("IN_QUEUE", 0.0), ("IN_PROGRESS", 0.5), ("IN_PROGRESS", 0.9), ("CANCELLED", 0.0)]
    assert said == progress and stream.asked == ["", "2", "3"]


@pytest.mark.parametrize("streamed", [streamed_sync, streamed_async])
@pytest.mark.parametrize("how", ["ends", "hangs", "is no stream"])
async def test_job_whose_stream_tells_nothing_is_polled(streamed: Streamed, how: str) -> None:
    done = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            done.set()
            return web.json_response({"status": "TIMED_OUT", "error": "Generation timed out"})
        kind = "text/html" if how == "is no stream" else "text/event-stream"
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        if how == "hangs":
            await done.wait()
        return response

    async with listening(answer) as url:
        with sdk.Client(url, "k", silence_s=0.2) as client:
            if how == "hangs":
                (status,) = await asyncio.to_thread(lambda: list(client.job(JOB).stream()))
            else:
                (status,) = await streamed(url)
    assert status.status == "TIMED_OUT"


@pytest.mark.parametrize(
    "refused",
    [Refused(429, "Too many open streams for this key", "30"), Refused(503, "Server is busy", "30")],
)
async def test_job_that_gets_no_stream_is_polled(server: Api, refused: Refused) -> None:
    job = await server.generate()
    events = f"/api/v2/jobs/{job['id']}/events"
    async with Unreliable(server.url, faults={events: [refused]}).running() as proxy:
        picture = await with_client(proxy.url, server.key, lambda client: client.job(job["id"]).wait())
    assert picture.job_id == job["id"] and len(proxy.seen_of(events)) == 1 and proxy.seen_of("status")


async def test_waiting_is_one_request_where_there_are_events(server: Api) -> None:
    progress: list[str] = []

    def draw(client: sdk.Client) -> sdk.Picture:
        job = client.generate("a red car")
        return job.wait(on_progress=lambda status: progress.append(status.status))

    async with Unreliable(server.url).running() as proxy:
        await with_client(proxy.url, server.key, draw)
    assert len(proxy.seen) == 2 and not proxy.seen_of("status")
    assert set(progress) <= {"IN_QUEUE", "IN_PROGRESS"} and progress


async def test_stream_that_is_left_leaves_no_connection(server: Api) -> None:
    """And the job goes on."""
    server.triton.gate.clear()

    def leave(client: sdk.Client) -> str:
        job = client.generate("a red car")
        assert next(iter(job.stream())).pending
        return job.id

    job_id = await with_client(server.url, server.key, leave)
    async with sdk.AsyncClient(server.url, server.key) as client:
        async for status in client.job(job_id).stream():
            assert status.pending
            server.triton.gate.set()
            break
    assert (await server.until(job_id))["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("url", "key", "words"),
    [("localhost", "k", "url: expected"), ("http://localhost", "k\n", "key: expected")],
)
def test_client_that_cannot_work_is_not_made(url: str, key: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sdk.Client(url, key)
