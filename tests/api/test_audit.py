"""What the server writes to the audit log, and what `imgen audit` and `imgen erase` make of it."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from cli.main import main
from contract.redis_keys import AUDIT
from frontend.audit.log import AuditEntry, AuditLog
from frontend.keys.api_keys import Keys, KeyTerms
from tests.api.harness import Api
from tests.fakes import UNSAFE


async def entries(server: Api, *kinds: str) -> list[AuditEntry]:
    return [entry async for entry in AuditLog(server.redis).entries() if entry.kind in kinds]


async def imgen(*words: str) -> int:
    return await asyncio.to_thread(main, list(words))


async def everything(redis: "Redis", *but: bytes) -> str:
    """All that any command can read, as one text."""
    read: dict[Any, Callable[[Any], Any]] = {
        b"string": lambda name: redis.get(name),
        b"hash": lambda name: redis.hgetall(name),
        b"stream": lambda name: redis.xrange(name),
        b"zset": lambda name: redis.zrange(name, 0, -1),
        b"set": lambda name: redis.smembers(name),
        b"list": lambda name: redis.lrange(name, 0, -1),
    }
    all_names: Any = await redis.keys("*")
    names = [name for name in all_names if not name.startswith(but)]
    return "\n".join([f"{name!r} {await read[await redis.type(name)](name)!r}" for name in names])


@pytest.fixture
def at_server(server: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """The command line finds this server."""
    monkeypatch.setenv("IMGEN_REDIS_URL", server.settings.redis_url)
    monkeypatch.setenv("IMGEN_DATA_DIR", str(server.settings.data_dir))
    monkeypatch.setenv("IMGEN_PUBLIC_URL", server.url)
    return server


async def test_verdict_and_release_are_told_once_and_hold_no_prompt(server: Api) -> None:
    state = await server.finished()
    for _ in range(3):
        await server.status(state["meta"]["id"])
    verdict, release = await entries(server, "verdict", "release")
    assert verdict.fields["job"] == release.fields["job"] == state["meta"]["id"]
    assert verdict.fields["compliance"] == "safe" and release.fields["gen_id"] == state["meta"]["gen_id"]
    assert verdict.fields["sha256"] == release.fields["sha256"]
    told = [word for entry in await entries(server, "verdict", "release") for word in entry.fields.values()]
    assert not [word for word in told if "book" in word or "tree" in word]


async def test_blocked_picture_is_released_to_moderators_alone(server: Api) -> None:
    server.acs.verdict = UNSAFE
    await server.finished()
    (verdict,) = await entries(server, "verdict")
    (release,) = await entries(server, "release")
    assert verdict.fields["compliance"] == release.fields["compliance"] == "unsafe"
    _, secret = await Keys(server.redis).create("shop", terms=KeyTerms(unsafe_url=False))
    await replace(server, key=secret).finished(seed=2)
    assert len(await entries(server, "release")) == 1


async def test_release_that_cannot_be_told_is_none(server: Api) -> None:
    state = await server.finished()
    server.services.links._audit._released.clear()
    await server.redis.delete(*[name async for name in server.redis.scan_iter("imgen:released:*")])
    await server.redis.delete(AUDIT)
    await server.redis.set(AUDIT, "not a stream")
    code, answer = await server.post({"action": "status", "id": state["meta"]["id"]})
    assert code == 500 and "meta" not in answer


async def test_keys_and_takedowns_are_told(at_server: Api, capsys: pytest.CaptureFixture[str]) -> None:
    state = await at_server.finished()
    await imgen("keys", "create", "anna")
    await imgen("keys", "set", "anna", "--daily", "5")
    await imgen("keys", "rotate", "anna")
    await imgen("keys", "disable", "anna")
    assert await imgen("takedown", state["meta"]["gen_id"]) == 0
    told = [entry.fields["event"] for entry in await entries(at_server, "key")]
    assert told == ["create", "create", "set", "rotate", "disable"]
    (takedown,) = await entries(at_server, "takedown")
    assert takedown.fields["gen_id"] == state["meta"]["gen_id"]


async def test_characters_are_told_with_their_rights_once(server: Api) -> None:
    async with asyncio.timeout(30):
        while len(await entries(server, "character")) < len(server.services.catalogue.declared.characters):
            await asyncio.sleep(0.05)
    aya = next(entry for entry in await entries(server, "character") if entry.fields["name"] == "aya")
    assert aya.fields["rights"] == "fictional" and aya.fields["depicts"]
    log = AuditLog(server.redis)
    await log.character("aya", {name: value for name, value in aya.fields.items() if name != "name"})
    await log.character("aya", {"rights": "consent:A-7"})
    told = [
        entry.fields["rights"]
        for entry in await entries(server, "character")
        if entry.fields["name"] == "aya"
    ]
    assert told == ["fictional", "consent:A-7"]


async def test_log_is_exported_and_proves_itself(
    at_server: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "audit")
    await at_server.finished()
    assert await imgen("audit", "export", folder) == 0
    await at_server.finished(seed=2)
    assert await imgen("audit", "export", folder, "--forget") == 0
    await at_server.finished(seed=3)
    assert await imgen("audit", "verify", folder) == 0
    assert " entries in files, unchanged" in capsys.readouterr().out
    newest: Any = await at_server.redis.xrevrange(AUDIT, count=1)
    await at_server.redis.xdel(AUDIT, newest[0][0])
    assert await imgen("audit", "verify", folder) == 2
    assert "its newest entries are missing" in capsys.readouterr().err
    assert await imgen("audit", "verify", folder, "--offline") == 0


async def test_erased_key_leaves_pictures_that_are_known_and_nobodys(
    at_server: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    server = at_server
    _, other_secret = await Keys(server.redis).create("other")
    other = replace(server, key=other_secret)
    state = await server.finished(use_cache=True)
    with_key = await server.generate(prompt="a dog", idempotency_key="again")
    await server.until(with_key["id"])
    hit = await other.finished(use_cache=True)  # shows the same picture
    kept = await other.finished(prompt="a cat")
    async with server.http.get(state["meta"]["images"][0]["url"]) as response:
        picture = await response.read()
    (mine,) = {entry.fields["key"] for entry in await entries(server, "release")} - {
        record.id for record in await Keys(server.redis).all() if record.name == "other"
    }
    assert await imgen("erase", "--key", "test") == 2  # not without --yes
    assert await imgen("erase", "--key", "test", "--yes") == 0
    assert "nothing of it is left in Redis" in capsys.readouterr().out

    assert (await server.post({"action": "models"}))[0] == 401
    async with server.http.get(state["meta"]["images"][0]["url"]) as response:
        assert response.status == 404
    numbers = (b"imgen:usage", b"imgen:orders", b"imgen:drawn")  # how much it was, for bills
    known = b"imgen:audit", b"imgen:keys", b"imgen:start"  # the last for a minute, to answer repeated calls
    left = await everything(server.redis, *known, *numbers)
    assert mine not in left and state["meta"]["id"] not in left
    assert "a dog" not in left and "a cat" in left
    assert (await other.status(kept["meta"]["id"]))["status"] == "COMPLETED"
    if hit.get("cache"):
        assert (await other.status(hit["meta"]["id"]))["status"] == "FAILED"
    code, found = await other.post(
        {"action": "verify", "image": "data:image/jpeg;base64," + base64.b64encode(picture).decode()}
    )
    assert (code, found["result"]) == (200, "made_here"), found
    (erasure,) = await entries(server, "erase")
    assert erasure.fields["pictures"] == "2" and erasure.fields["key"] == mine


async def test_new_version_of_a_ruleset_is_told(server: Api) -> None:
    server.acs.rulesets = {"default": "v1"}
    async with asyncio.timeout(30):
        while not (told := await entries(server, "ruleset")):
            await asyncio.sleep(0.1)
    assert told[0].fields == {"name": "default", "version": "v1"}
