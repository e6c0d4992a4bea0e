"""The cache over HTTP, in the published words: what is handed out again, and what never is."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from contract.redis_keys import CACHE
from frontend.actions.takedown import NotRegistered, take_down
from frontend.cache.log import Log
from frontend.domain.job_state import Completed, Reviewing
from frontend.jobs.store import JobStore
from frontend.keys.api_keys import KeyRecord, Keys
from tests.api.harness import PROMPT, Api, api
from tests.api.test_verify import changed, verified
from tests.fakes import UNSAFE
from tests.frontend.finishing.pictures import block, data_uri

MISS = (404, {"error": "No cached result found"})
CACHED = {"use_cache": True, "cache_only": True}


async def asked(server: Api, **fields: Any) -> tuple[int, dict[str, Any]]:
    return await server.post({"action": "generate", "prompt": PROMPT, **CACHED, **fields})


async def entered(server: Api, count: int = 1) -> None:
    """Waits until this server's copy holds so many pictures."""
    async with asyncio.timeout(10):
        while server.services.cache.size != count:
            await asyncio.sleep(0.01)


async def made(server: Api, **fields: Any) -> dict[str, Any]:
    """The `meta` of a picture that is in the cache now."""
    before = server.services.cache.size or 0
    state = await server.finished(**fields)
    await entered(server, before + 1)
    meta: dict[str, Any] = state["meta"]
    return meta


async def test_hit_has_the_published_shape_and_its_job_is_finished_at_once(server: Api) -> None:
    first = await made(server)
    code, job = await asked(server)
    assert (code, set(job)) == (200, {"id", "prompt", "model", "format", "gen_id", "cache"})
    assert job["id"].startswith("cache_")
    assert len(job["id"]) == len("cache_a1b2c3d4e5f6g7h8")
    assert (job["cache"], job["gen_id"], job["prompt"]) == (True, first["gen_id"], first["prompt"])
    state = await server.status(job["id"])
    assert (state["status"], state["cache"]) == ("COMPLETED", True)
    meta = state["meta"]
    assert (meta["id"], meta["compliance"], meta["seed"]) == (job["id"], "safe", first["seed"])
    assert [image["type"] for image in meta["images"]] == ["signed", "thumbnail"]
    for image in meta["images"]:
        async with server.http.get(image["url"]) as response:
            assert response.status == 200
    assert len(server.triton.orders) == 1
    assert len(server.acs.reviews) == 1


async def test_metrics_tell_what_the_cache_holds_and_how_it_was_asked(server: Api) -> None:
    await made(server)
    await asked(server)
    async with server.http.get(f"{server.url}/metrics") as response:
        page = await response.text()
    told = dict(line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("imgen_cache"))
    assert (told["imgen_cache_pictures"], told["imgen_cache_partitions"]) == ("1.0", "1.0")
    assert float(told["imgen_cache_bytes"]) > 0
    assert float(told['imgen_cache_lookups_total{outcome="hit"}']) >= 1


async def test_miss_goes_on_to_a_picture_unless_only_the_cache_was_asked(server: Api) -> None:
    assert await asked(server) == MISS
    job = await server.generate(use_cache=True)
    assert job["id"].startswith("run_")
    assert "cache" not in job


async def test_picture_enters_with_its_verdict_and_at_no_other_moment(server: Api) -> None:
    job = await server.generate()
    async with asyncio.timeout(20):
        while not isinstance(await server.services.jobs.read(job["id"], await owner(server)), Reviewing):
            await asyncio.sleep(0.02)
    assert await server.redis.xlen(CACHE) == 0
    await server.until(job["id"])
    assert await server.redis.xlen(CACHE) == 1


async def owner(server: Api) -> str:
    return (await keys(server))[0].id


async def test_blocked_picture_never_enters(server: Api) -> None:
    server.acs.verdict = UNSAFE
    await server.finished()
    assert await server.redis.xlen(CACHE) == 0


@pytest.mark.parametrize(
    "fields", [{"style": "neon"}, {"prompt": PROMPT.replace("@aya", "@bella")}, {"prompt": "reading a book"}]
)
async def test_other_style_or_character_is_a_miss_even_by_force(server: Api, fields: dict[str, Any]) -> None:
    await made(server)
    assert await asked(server, cache_force=True, **fields) == MISS


async def test_force_takes_any_picture_of_the_partition(server: Api) -> None:
    first = await made(server)
    other = {"prompt": "@aya riding a bicycle at night, 4k"}
    assert await asked(server, **other) == MISS
    code, job = await asked(server, cache_force=True, width=1024, height=1024, format="png", **other)
    assert (code, job["gen_id"], job["format"]) == (200, first["gen_id"], "jpeg")


@pytest.mark.parametrize(
    "fields",
    [
        {"width": 1024, "height": 1024},
        {"format": "png"},
        {"quality": 96},
        {"lossless": True},
        {"seed": 5},
        {"cs_author": "Studio A"},
    ],
)
async def test_picture_that_is_not_as_ordered_is_a_miss(server: Api, fields: dict[str, Any]) -> None:
    await made(server, seed=4)
    assert await asked(server, **fields) == MISS
    assert (await asked(server, seed=4, quality=90))[0] == 200


async def test_picture_with_a_clients_own_texts_is_not_for_others(server: Api) -> None:
    await server.finished(cs_author="Studio A")
    assert await server.redis.xlen(CACHE) == 0


async def test_hit_tells_what_the_asker_asked_and_no_word_of_the_makers(server: Api) -> None:
    first = await made(
        server,
        prompt="@aya reading makersbook under a tree, -makersrain",
        negative="makersfog",
        precompliance="makersscore",
        wm_position="top-left",
        wm_scale=33,
        wm_rotation=77,
        seed=4,
    )
    stranger = await another(server)
    own = {
        "prompt": "@aya riding a bicycle at night, -crowd",
        "negative": "smog",
        "precompliance": "own score",
        "wm_scale": 9,
        "wm_image": data_uri(block()),
        "optimize": True,
        "cache_force": True,
    }
    code, job = await asked(stranger, **own)
    assert (code, job["prompt"]) == (200, "@aya riding a bicycle at night, -crowd")
    state = await stranger.status(job["id"])
    meta = state["meta"]
    told = json.dumps([job, state])
    for words in ("makers", first["id"], "top-left", *(key.id for key in await keys(server))):
        assert words not in told
    assert (meta["id"], meta["precompliance"], meta["optimized"]) == (job["id"], "", False)
    assert (meta["prompt"], meta["wm_scale"], meta["wm_rotation"]) == (job["prompt"], 9, 0)
    assert [image["filename"] for image in meta["images"]] == ["", ""]
    for name in (
        "gen_id",
        "seed",
        "steps",
        "model",
        "style",
        "width",
        "height",
        "fingerprint",
        "weights",
        "runtime",
        "sampler",
        "spacing",
        "guidance",
    ):
        assert meta[name] == first[name]


async def test_hits_prompts_are_composed_as_those_of_a_picture_that_is_drawn_for_the_asker(
    server: Api,
) -> None:
    await made(server, prompt="@aya in a harbour", negative="boats")
    own = {"prompt": "@aya riding a bicycle at night, -crowd", "negative": "smog"}
    _, job = await asked(server, **own, cache_force=True)
    meta = (await server.status(job["id"]))["meta"]
    drawn = await made(server, **own)
    assert [meta[name] for name in ("prompt", "positive", "negative", "character")] == [
        drawn[name] for name in ("prompt", "positive", "negative", "character")
    ]


async def test_hits_time_is_the_askers(server: Api) -> None:
    first = await made(server)
    async with asyncio.timeout(10):
        while datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") == first["time"]:
            await asyncio.sleep(0.05)
    _, job = await asked(server)
    assert (await server.status(job["id"]))["meta"]["time"] > first["time"]


async def test_hits_links_and_file_name_nothing_of_the_makers(server: Api) -> None:
    first = await made(server, prompt="@aya reading makersbook", negative="makersfog")
    maker = (await keys(server))[0].id
    stranger = await another(server)
    _, job = await asked(stranger, cache_force=True)
    for image in (await stranger.status(job["id"]))["meta"]["images"]:
        async with server.http.get(image["url"]) as response:
            seen = image["url"].encode() + repr(response.headers).encode() + await response.read()
        for words in ("makers", first["id"], maker):
            assert words.encode() not in seen


async def test_picture_whose_credentials_tell_its_prompt_is_for_its_own_key_alone(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    """Also after the setting has been taken back: what counts is what stands in the file."""
    async with api(redis_url, tmp_path, c2pa_prompt=True) as server:
        key = server.key
        await made(server)
        assert await asked(await another(server), cache_force=True) == MISS
        assert (await asked(server))[0] == 200
    async with api(redis_url, tmp_path) as server:
        await entered(server)
        assert await asked(server, cache_force=True) == MISS  # another key of another start
        maker = replace(server, key=key)
        _, own = await asked(maker)
        shared = await made(server)
        found = {(await asked(maker))[1]["gen_id"] for _ in range(30)}
        assert found == {own["gen_id"], shared["gen_id"]}
        assert {(await asked(server))[1]["gen_id"] for _ in range(5)} == {shared["gen_id"]}


async def test_pick_chooses_among_the_best_at_random(server: Api) -> None:
    names = [(await made(server))["gen_id"] for _ in range(4)]
    picked = {(await asked(server, cache_pick=4))[1]["gen_id"] for _ in range(60)}
    assert picked == set(names)
    best = {(await asked(server, cache_pick=-3))[1]["gen_id"] for _ in range(10)}
    assert len(best) == 1


async def test_hit_asks_no_language_model_and_optimised_pictures_are_found_by_what_was_asked(
    server: Api,
) -> None:
    await made(server)
    code, job = await asked(server, optimize=True)  # there is no language model: this would be a 502
    assert (code, job["cache"]) == (200, True)


async def test_hit_is_found_again_by_its_idempotency_key(server: Api) -> None:
    await made(server)
    _, one = await asked(server, idempotency_key="k")
    _, two = await asked(server, idempotency_key="k")
    assert one == two
    assert (await asked(server, idempotency_key="k", cache_pick=2))[0] == 409


async def test_cached_job_is_kept_for_an_hour(server: Api) -> None:
    await made(server)
    _, job = await asked(server)
    assert 3_500 < await server.redis.ttl(f"imgen:job:{job['id']}") <= 3_600


async def test_another_key_is_handed_it_but_cannot_poll_the_first_ones_job(server: Api) -> None:
    first = await made(server)
    stranger = await another(server)
    code, job = await asked(stranger)
    assert (code, job["gen_id"]) == (200, first["gen_id"])
    assert await stranger.post({"action": "status", "id": first["id"]}) == (400, {"error": "Bad ID"})
    assert await server.post({"action": "status", "id": job["id"]}) == (400, {"error": "Bad ID"})


async def test_unshared_cache_is_each_keys_own(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with api(redis_url, tmp_path, cache_shared=False) as server:
        await made(server)
        assert await asked(await another(server), cache_force=True) == MISS
        assert (await asked(server))[0] == 200


async def keys(server: Api) -> list[KeyRecord]:
    return await Keys(server.redis).all()


async def another(server: Api) -> Api:
    _, key = await Keys(server.redis).create("other")
    return replace(server, key=key)


# Faults: a miss, never an error and never a wrong picture


async def test_encoder_down_is_a_miss_and_pictures_are_made_all_the_same(server: Api) -> None:
    await made(server)
    server.triton.encoder_fails = True
    unknown = "tree below a cat"  # no server has encoded it before
    assert await asked(server, prompt=unknown) == MISS
    finished = await server.finished(prompt=unknown, use_cache=True)
    assert finished["meta"]["compliance"] == "safe"
    server.triton.encoder_fails = False
    assert (await asked(server))[0] == 200


async def test_server_starts_without_an_encoder_and_takes_it_up(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path) as server:
        await made(server)
    async with api(redis_url, tmp_path) as server:
        server.triton.encoder_fails = True
        assert await asked(server) == MISS
        server.triton.encoder_fails = False
        await entered(server)
        assert (await asked(server))[0] == 200


async def test_picture_whose_files_are_gone_is_a_miss_and_leaves_every_cache(server: Api) -> None:
    meta = await made(server)
    view = await server.services.jobs.read(meta["id"], await owner(server))
    assert isinstance(view, Completed)
    await server.services.storage.delete([view.picture.key])
    assert await asked(server) == MISS
    await entered(server, 0)


async def test_entry_that_redis_has_trimmed_is_a_miss(server: Api) -> None:
    await made(server)
    await server.redis.xtrim(CACHE, maxlen=0, approximate=False)
    assert await asked(server) == MISS


async def test_lost_redis_leaves_nothing_to_hand_out(server: Api) -> None:
    await made(server)
    await server.redis.delete(CACHE, "imgen:cache:epoch")
    await entered(server, 0)
    assert await asked(server) == MISS
    await made(server)
    assert (await asked(server))[0] == 200


async def test_old_pictures_are_not_handed_out(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with api(redis_url, tmp_path, cache_ttl_s=1) as server:
        await made(server)
        async with asyncio.timeout(10):
            while await asked(server) != MISS:
                await asyncio.sleep(0.05)


# Two servers


@contextlib.asynccontextmanager
async def two(redis_url: str, tmp_path: Path) -> AsyncIterator[tuple[Api, Api]]:
    """With one Redis and one store, as behind a load balancer."""
    files = tmp_path / "files"
    files.mkdir()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "files").symlink_to(files)
    async with api(redis_url, tmp_path / "one") as one:
        (tmp_path / "two" / "mark.key").write_bytes((tmp_path / "one" / "mark.key").read_bytes())
        (tmp_path / "two" / "mark.key").chmod(0o600)
        async with api(redis_url, tmp_path / "two") as other:
            yield one, other


async def test_two_servers_under_load_agree_within_two_seconds(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with two(redis_url, tmp_path) as servers:
        prompts = [f"@aya scene {number} of the garden" for number in range(12)]
        done = await asyncio.gather(
            *(servers[at % 2].finished(prompt=prompt) for at, prompt in enumerate(prompts))
        )
        async with asyncio.timeout(2):
            await asyncio.gather(*(entered(server, len(prompts)) for server in servers))
        for server in servers:
            found = [await asked(server, prompt=prompt, cache_pick=1) for prompt in prompts]
            assert [job["gen_id"] for _, job in found] == [state["meta"]["gen_id"] for state in done]


async def test_picture_taken_down_is_gone_from_every_server_within_two_seconds(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with two(redis_url, tmp_path) as (one, other):
        meta = await made(one)
        await entered(other)
        _, job = await asked(other)
        urls = [image["url"] for image in (await other.status(job["id"]))["meta"]["images"]]
        taken = await down(one, meta["gen_id"])
        assert (taken.jobs, taken.files, taken.before) == (2, 2, False)
        async with asyncio.timeout(2):
            await asyncio.gather(entered(one, 0), entered(other, 0))
        for server, mine in ((one, meta["id"]), (other, job["id"])):
            assert await asked(server, cache_force=True) == MISS
            assert await server.status(mine) == {"status": "FAILED", "error": "Picture was taken down"}
        for url in urls:
            async with other.http.get(url) as response:
                assert response.status == 404
        left: Any = await redis.xrange(CACHE)
        assert not [fields for _, fields in left if b"record" in fields]


async def test_takedown_stops_a_server_that_has_not_heard_of_it(server: Api) -> None:
    """The log is not what forbids it: a server behind the log runs into the fence."""
    meta = await made(server)
    await server.redis.hset("imgen:taken", meta["gen_id"], "[]")
    assert await asked(server) == MISS


async def test_takedown_may_be_asked_again_and_of_unknown_pictures_says_so(server: Api) -> None:
    meta = await made(server)
    await down(server, meta["gen_id"])
    again = await down(server, meta["gen_id"])
    assert (again.before, again.files) == (True, 2)
    with pytest.raises(NotRegistered):
        await down(server, "a" * 20)


async def test_verify_does_not_know_a_picture_that_was_taken_down(server: Api) -> None:
    meta = await made(server)
    async with server.http.get(meta["images"][0]["url"]) as response:
        data = changed(await response.read())
    assert (await verified(server, data))["result"] == "made_here"
    await down(server, meta["gen_id"])
    assert (await verified(server, data))["result"] == "not_found"


async def down(server: Api, gen_id: str) -> Any:
    services = server.services
    return await take_down(server.redis, JobStore(server.redis, server.settings), services.storage, gen_id)


async def test_cleared_cache_is_empty_on_every_server(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with two(redis_url, tmp_path) as (one, other):
        await made(one)
        await entered(other)
        await Log(redis, 10).clear()
        async with asyncio.timeout(2):
            await asyncio.gather(entered(one, 0), entered(other, 0))
        await made(other)
        assert (await asked(other))[0] == 200


async def test_new_version_of_a_ruleset_ends_what_the_old_one_judged_on_every_server(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with two(redis_url, tmp_path) as (one, other):
        for acs in (one.acs, other.acs):
            acs.rulesets = {"default": "v1"}
        await version_known(redis, "v1")
        await made(one)
        await entered(other)
        assert (await asked(other))[0] == 200
        for acs in (one.acs, other.acs):
            acs.rulesets = {"default": "v2"}
        await version_known(redis, "v2")
        async with asyncio.timeout(2):
            await asyncio.gather(entered(one, 0), entered(other, 0))
        assert await asked(other, cache_force=True) == MISS
        await made(one)
        await entered(other)
        assert (await asked(other))[0] == 200


async def version_known(redis: "Redis", version: str) -> None:
    async with asyncio.timeout(15):
        while await redis.hget("imgen:rulesets", "default") != version.encode():
            await asyncio.sleep(0.05)
