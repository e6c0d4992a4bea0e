"""Answers that are lost, servers that are busy, away or strange; through a proxy before the real one."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from frontend.keys.api_keys import Keys, KeyTerms, Scope
from tests.api.harness import Api
from tests.clients.sse import Connection, event, telling
from tests.clients.typescript.conftest import Run
from tests.clients.unreliable import Fault, LostAnswer, LostRequest, Refused, Unreliable, listening
from tests.fakes import UNSAFE

PRELUDE = """
import * as sdk from "imgen-client";
const { IMGEN_URL: url, IMGEN_API_KEY: key } = process.env;
const told = (error) => ({ message: error.message, ...error });
const caught = (promise) => promise.then(() => ({}), told);
const say = (value) => console.log(JSON.stringify(value));
"""


async def result(run: Run, url: str, key: str, program: str) -> Any:
    return json.loads(await run(PRELUDE + program, IMGEN_URL=url, IMGEN_API_KEY=key))


async def test_order_whose_answers_are_lost_is_drawn_once(run: Run, server: Api) -> None:
    faults: dict[str, list[Fault]] = {"generate": [LostAnswer(), LostRequest(), Refused(502, "Bad gateway")]}
    async with Unreliable(server.url, faults=faults).running() as proxy:
        said = await result(
            run,
            proxy.url,
            server.key,
            """
            const imgen = new sdk.Imgen({ url, key, pollMs: 50 });
            const picture = await (await imgen.generate("a red car", { seed: 7 })).wait();
            const next = await imgen.generate("a red car", { seed: 7 });
            await next.wait();
            say([picture.meta.seed, picture.meta.id, next.id]);
            """,
        )
    keys = [each.body["idempotency_key"] for each in proxy.seen_of("generate")]
    assert len(keys) == 5 and len(set(keys[:4])) == 1 and keys[4] not in keys[:4]
    assert said[0] == 7 and said[1] != said[2] and len(server.triton.orders) == 2


async def test_server_that_is_away_while_a_picture_is_awaited_costs_nothing(run: Run, server: Api) -> None:
    faults: dict[str, list[Fault]] = {
        "status": [LostRequest(), Refused(503, "Server is busy", "0"), LostAnswer()]
    }
    async with Unreliable(server.url, faults=faults).running() as proxy:
        said = await result(
            run,
            proxy.url,
            server.key,
            """
            const away = [];
            const polled = (url, init) => fetch(url.replace("/events", "/nothing"), init);
            const imgen = new sdk.Imgen({ url, key, pollMs: 50, fetch: polled });
            const job = await imgen.generate("a red car");
            for await (const status of job.stream({ onAway: (error) => away.push(error.kind) }))
              if (!sdk.isPending(status)) say([status.status, away]);
            """,
        )
    assert said == ["COMPLETED", ["unreachable", "unavailable", "unreachable"]]


async def test_cancel_whose_answer_is_lost_has_cancelled(run: Run, server: Api) -> None:
    server.triton.gate.clear()
    async with Unreliable(server.url, faults={"cancel": [LostAnswer()]}).running() as proxy:
        said = await result(
            run,
            proxy.url,
            server.key,
            """
            const job = await new sdk.Imgen({ url, key }).generate("a red car");
            await job.cancel();
            const again = await caught(new sdk.Imgen({ url, key, patienceMs: 0 }).job(job.id).wait());
            say([again.kind, (await job.status()).status]);
            """,
        )
    assert said == ["cancelled", "CANCELLED"]


REFUSALS = [
    (Refused(503, "Queue is full", "7"), "queue_full", 7),
    (Refused(503, "Server is shutting down", "5"), "unavailable", 5),
    (Refused(429, "Too many requests for this key", "3600"), "rate_limited", 3600),
    (Refused(502, "Generation failed", detail="The model has no weights"), "server_error", None),
    (Refused(500, "Internal error"), "server_error", None),
    (Refused(413, "Request body is too large"), "too_large", None),
    (Refused(409, "Idempotency key was used for another request"), "conflict", None),
    (Refused(418, "What"), "refused", None),
]


@pytest.mark.parametrize(("refused", "kind", "retry_after"), REFUSALS)
async def test_refusal_is_told_by_its_kind(
    run: Run, server: Api, refused: Refused, kind: str, retry_after: int | None
) -> None:
    async with Unreliable(server.url, faults={"generate": [refused]}).running() as proxy:
        order = 'say(await caught(new sdk.Imgen({ url, key, patienceMs: 0 }).generate("a red car")));'
        said = await result(run, proxy.url, server.key, order)
    assert (said["kind"], said["words"], said["status"]) == (kind, refused.words, refused.status)
    assert said.get("retryAfter") == retry_after and said["detail"] == refused.detail


async def test_refusals_of_the_real_server_are_told_by_their_kind(run: Run, server: Api) -> None:
    server.acs.verdict = UNSAFE
    said = await result(
        run,
        server.url,
        server.key,
        """
        const imgen = new sdk.Imgen({ url, key });
        say([
          await caught(imgen.generate("@nobody waving")),
          await caught(new sdk.Imgen({ url, key: "wrong" }).models()),
          await caught(imgen.generate("a red car", { use_cache: true, cache_only: true })),
          await caught(imgen.job("run_0123456789abcdef").wait()),
          await caught((await imgen.generate("a red car")).wait()),
        ]);
        """,
    )
    kinds = [each["kind"] for each in said]
    assert kinds == ["bad_request", "unauthorized", "not_found", "bad_request", "blocked"]
    assert said[0]["detail"].startswith("There is no @nobody") and said[3]["words"] == "Bad ID"
    blocked = said[4]
    assert blocked["categories"] == ["weapons", "gore"]
    async with server.http.get(blocked["unsafeUrl"]) as response:
        assert response.content_type == "image/jpeg"


async def test_queue_that_is_full_for_longer_than_one_waits_is_told_at_once(run: Run, server: Api) -> None:
    """And one that is free again in time costs nothing but the wait."""
    faults = [Refused(503, "Queue is full", "1"), Refused(503, "Queue is full", "3600")]
    async with Unreliable(server.url, faults={"generate": [*faults]}).running() as proxy:
        order = 'say(await caught(new sdk.Imgen({ url, key }).generate("a red car")));'
        assert (await result(run, proxy.url, server.key, order))["retryAfter"] == 3600
    assert len(proxy.seen) == 2


@pytest.mark.parametrize("body", ["<html>welcome</html>", "", "[]", '"ok"'])
async def test_something_else_that_answers_is_told(run: Run, body: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=body)

    async with listening(answer) as strange:
        said = await result(run, strange, "k", "say(await caught(new sdk.Imgen({ url, key }).models()));")
    assert said["kind"] == "not_imgen"


async def test_nothing_that_listens_is_told(run: Run) -> None:
    program = "say(await caught(new sdk.Imgen({ url, key, patienceMs: 0 }).models()));"
    said = await result(run, "http://127.0.0.1:9", "k", program)
    assert said["kind"] == "unreachable" and said["message"].startswith(
        "http://127.0.0.1:9 does not answer: "
    )


async def test_signal_ends_the_wait_and_not_the_job(run: Run, server: Api) -> None:
    server.triton.gate.clear()
    said = await result(
        run,
        server.url,
        server.key,
        """
        const job = await new sdk.Imgen({ url, key }).generate("a red car");
        const control = new AbortController();
        const onProgress = () => control.abort(new Error("enough"));
        const reason = await job.wait({ signal: control.signal, onProgress }).catch((error) => error.message);
        say([reason, (await job.status()).status]);
        """,
    )
    assert said[0] == "enough" and said[1] in ("IN_QUEUE", "IN_PROGRESS")


async def test_expired_link_is_asked_for_anew_and_gets_no_key(run: Run, server: Api) -> None:
    said = await result(
        run,
        server.url,
        server.key,
        """
        const links = [];
        const expired = () => new Response('{"error":"Link is invalid or has expired"}', { status: 403 });
        const once = async (url, init) => {
          if (!url.includes("/files/")) return fetch(url, init);
          return links.push(init.headers ?? {}) === 1 ? expired() : fetch(url, init);
        };
        const imgen = new sdk.Imgen({ url, key, fetch: once, pollMs: 50 });
        const picture = await (await imgen.generate("a red car")).wait();
        say([(await picture.bytes()).length, links]);
        """,
    )
    assert said[0] > 1000 and said[1] == [{}, {}]


async def test_usage_is_told_by_day_and_not_to_a_key_that_may_only_verify(run: Run, server: Api) -> None:
    _, checker = await Keys(server.redis).create("checker", terms=KeyTerms(scopes=(Scope.VERIFY,)))
    said = await result(
        run,
        server.url,
        server.key,
        f"""
        const imgen = new sdk.Imgen({{ url, key, pollMs: 50 }});
        await (await imgen.generate("a red car")).wait();
        const {{ total, days, limits }} = await imgen.usage(1);
        const refused = new sdk.Imgen({{ url, key: "{checker}" }}).usage();
        say([total.jobs, days[0].pictures, limits, (await caught(refused)).kind]);
        """,
    )
    assert said == [1, 1, {"priority": "normal"}, "forbidden"]


async def test_stream_that_breaks_is_resumed_after_its_last_event(run: Run) -> None:
    whole = f"retry: 10\n\n: hello\n\n{event(1, 'IN_QUEUE')}{event(2, 'IN_PROGRESS', progress=0.5)}"
    connections = [
        Connection(whole.replace("\n", "\r\n"), by_byte=True),
        Connection(event(3, "IN_PROGRESS", progress=0.9), breaks=True),
        Connection(event(4, "CANCELLED")),
    ]
    program = """
    const seen = [];
    const job = new sdk.Imgen({ url, key }).job("run_0123456789abcdef");
    for await (const { status } of job.stream()) seen.push(status);
    say(seen);
    """
    async with telling(connections) as stream:
        said = await result(run, stream.url, "k", program)
    assert said == ["IN_QUEUE", "IN_PROGRESS", "IN_PROGRESS", "CANCELLED"]
    assert stream.asked == ["", "2", "3"]


@pytest.mark.parametrize("how", ["ends", "hangs", "is no stream"])
async def test_job_whose_stream_tells_nothing_is_polled(run: Run, how: str) -> None:
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

    program = """
    say(await caught(new sdk.Imgen({ url, key, silenceMs: 200 }).job("run_0123456789abcdef").wait()));
    """
    async with listening(answer) as stream:
        said = await result(run, stream, "k", program)
    assert (said["kind"], said["message"]) == ("timed_out", "Generation timed out")
