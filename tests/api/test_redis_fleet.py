"""Redis as operators run it: sentinels that promote, replicas that confirm, TLS, a user, a prefix."""

import asyncio
import contextlib
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from embedded.redis import redis_binary
from frontend.audit.log import AuditLog
from frontend.common.errors import SettingError
from frontend.common.redis_connection import connect, connect_to_probe
from frontend.common.redis_probe import refuse_cluster
from frontend.settings import ROOT, load
from tests.api.harness import FINAL, PROMPT, Api, api
from tests.api.streams import stream
from tests.certificate import certificate
from tests.frontend.jobs.orders import a_picture, a_verdict
from tests.redis_replicas import RedisFleet, redis_fleet

pytestmark = pytest.mark.redis
KILL_AFTER, ORDERS = 10, 30
AGAIN_S = 0.1
NOT_KEPT = "Order could not be kept safely; send it again"


@pytest.fixture
async def followed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisFleet]:
    """A master and its replica, without sentinels."""
    async with redis_fleet(tmp_path_factory.mktemp("followed") / "redis", sentinels=0) as fleet:
        yield fleet


def url_of(fleet: RedisFleet) -> str:
    return f"redis://127.0.0.1:{fleet.servers[0].port}"


async def persistently(server: Api, body: Mapping[str, object]) -> dict[str, object]:
    """The answer 200, however often it has to be asked for, as client libraries do."""
    while True:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            code, answer = await server.post(body)
            if code == 200:
                return answer
            assert code in (500, 503), answer
        await asyncio.sleep(AGAIN_S)


async def test_killed_master_loses_no_accepted_order(tmp_path: Path) -> None:
    async with (
        redis_fleet(tmp_path / "redis", password="of-all-three") as fleet,
        api(fleet.url, tmp_path / "server", redis_replicas=1, job_lease_s=2.0) as server,
    ):
        accepted: list[str] = []

        async def order(number: int) -> None:
            told = {"idempotency_key": f"order-{number}", "seed": number}
            job = await persistently(server, {"action": "generate", "prompt": PROMPT, **told})
            accepted.append(str(job["id"]))

        async def fail_over() -> None:
            """And the killed one comes back, as a service manager would have it: it follows the other now."""
            fleet.servers[0].kill()
            await fleet.until_promoted(fleet.servers[1].port)
            fleet.servers[0].start_again()

        async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
            for number in range(ORDERS):
                if number == KILL_AFTER:
                    tasks.create_task(fail_over())
                await order(number)
        async with asyncio.timeout(60):
            states = []
            for job in accepted:
                while (state := await persistently(server, {"action": "status", "id": job}))[
                    "status"
                ] not in FINAL:
                    await asyncio.sleep(AGAIN_S)
                states.append(state["status"])
        assert states == ["COMPLETED"] * ORDERS and len(set(accepted)) == ORDERS
        async with fleet.client(fleet.servers[1]) as promoted:
            assert (await promoted.info("replication"))["role"] == "master"


async def test_order_that_no_replica_confirms_is_refused_and_not_drawn(
    followed: RedisFleet, tmp_path: Path
) -> None:
    changes = {"redis_replicas": 2, "redis_replicas_timeout_s": 0.05, "workers": 0}  # there is one
    async with api(url_of(followed), tmp_path, **changes) as server:
        code, answer = await server.post({"action": "generate", "prompt": PROMPT})
        assert (code, answer) == (503, {"error": NOT_KEPT})
        assert await server.services.jobs.next("test", 10) is None


async def test_order_that_is_sent_again_with_its_key_is_the_same_once_a_replica_has_it(
    followed: RedisFleet, tmp_path: Path
) -> None:
    order = {"action": "generate", "prompt": PROMPT, "idempotency_key": "the same"}
    short = {"redis_replicas_timeout_s": 0.05, "workers": 0}
    async with api(url_of(followed), tmp_path, redis_replicas=2, **short) as server:
        for _ in range(2):
            assert await server.post(order) == (503, {"error": NOT_KEPT})
        async with api(url_of(followed), tmp_path, redis_replicas=1, workers=0) as other:
            as_before = Api(**{**vars(other), "key": server.key})
            code, answer = await as_before.post(order)
            assert code == 200
        claim = await server.services.jobs.next("test", 100)
        assert claim and claim.job.id == answer["id"]
        assert await server.services.jobs.next("test", 10) is None


async def test_finished_picture_is_shown_once_a_replica_knows_its_verdict(
    followed: RedisFleet, tmp_path: Path
) -> None:
    order = {"action": "generate", "prompt": PROMPT}
    changes = {"redis_replicas": 1, "redis_replicas_timeout_s": 0.05}
    async with api(url_of(followed), tmp_path, **changes) as server:
        job = (await persistently(server, order))["id"]
        async with asyncio.timeout(60):
            while await server.redis.hget(f"imgen:job:{job}", "state") != b"REVIEWING":
                await asyncio.sleep(AGAIN_S)
        followed.servers[1].signal(signal.SIGSTOP)
        async with asyncio.timeout(60):
            while await server.redis.hget(f"imgen:job:{job}", "state") != b"COMPLETED":
                await server.post({"action": "status", "id": job})
        for _ in range(2):
            code, answer = await server.post({"action": "status", "id": job})
            assert code == 500 and "meta" not in answer
        followed.servers[1].signal(signal.SIGCONT)
        assert (await persistently(server, {"action": "status", "id": job}))["status"] == "COMPLETED"
        log = AuditLog(server.redis)
        assert [entry.kind async for entry in log.entries() if entry.fields.get("job") == job] == [
            "verdict",
            "release",
        ]


async def test_stream_tells_what_the_new_master_knows_and_not_what_the_old_one_did(
    followed: RedisFleet, tmp_path: Path
) -> None:
    changes = {"redis_replicas": 1, "redis_replicas_timeout_s": 0.05, "workers": 0}
    async with api(url_of(followed), tmp_path, **changes) as server:
        jobs = server.services.jobs
        accepted = await persistently(server, {"action": "generate", "prompt": PROMPT})
        job = str(accepted["id"])
        claim = await jobs.next("test", 100)
        assert claim and await jobs.made(claim, a_picture()) and await jobs.judge(job, a_verdict())
        followed.servers[1].signal(signal.SIGSTOP)
        async with stream(server, job) as reader:
            async with asyncio.timeout(60):
                while not await server.redis.exists(f"imgen:released:{accepted['gen_id']}:{claim.job.owner}"):
                    await asyncio.sleep(AGAIN_S)
            await server.redis.hset(f"imgen:job:{job}", mapping={"state": "FAILED", "error": "anew"})
            followed.servers[1].signal(signal.SIGCONT)
            assert [each.data for each in await reader.rest() if each.data] == [
                {"status": "FAILED", "error": "anew"}
            ]


async def test_user_of_the_documented_rights_is_enough(followed: RedisFleet, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "redis.md").read_text()
    line = next(line for line in page.splitlines() if line.strip().startswith("ACL SETUSER imgen"))
    words = [word.replace("PASSWORD", "secret") for word in line.split()]
    async with followed.client(followed.servers[0]) as admin:
        assert await admin.execute_command(*words)  # type: ignore[no-untyped-call]
    url = url_of(followed).replace("redis://", "redis://imgen:secret@")
    async with api(url, tmp_path, redis_replicas=1) as server:
        assert (await server.finished())["status"] == "COMPLETED"
        state = await server.finished(use_cache=True)
        assert state["status"] == "COMPLETED"


async def test_redis_behind_tls_is_spoken_to_by_who_knows_its_authority(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    chain, key = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)

    async def carry(near: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        far, ask = await asyncio.open_unix_connection(redis_url.removeprefix("unix://"))

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(1 << 16):
                    target.write(data)
            target.close()

        await asyncio.gather(pump(near, ask), pump(far, answer))

    terminator = await asyncio.start_server(carry, "127.0.0.1", 0, ssl=context)
    url = f"rediss://127.0.0.1:{terminator.sockets[0].getsockname()[1]}/0"
    try:
        async with contextlib.aclosing(connect_to_probe(url)) as stranger:
            with pytest.raises(RedisConnectionError, match=r"(?i)certificate"):
                await stranger.ping()
        async with api(f"{url}?ssl_ca_certs={chain}", tmp_path / "server") as server:
            assert (await server.finished())["status"] == "COMPLETED"
    finally:
        terminator.close()


async def test_names_begin_with_the_prefix_of_the_environment(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "IMGEN_REDIS_PREFIX": "studio-7:",
        "IMGEN_REDIS_URL": redis_url,
        "IMGEN_DATA_DIR": str(tmp_path),
    }
    made = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli.main",
        "keys",
        "create",
        "anna",
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
    )
    await made.communicate()
    assert made.returncode == 0
    assert await redis.keys("imgen:*") == []
    assert b"studio-7:keys" in await redis.keys("studio-7:*")


def test_prefix_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "imgen.toml").write_text('redis_prefix = "studio-7:"\n')
    with pytest.raises(SettingError, match="IMGEN_REDIS_PREFIX in the environment alone"):
        load({"IMGEN_CONFIG": str(tmp_path / "imgen.toml")})


@pytest.mark.parametrize("prefix", ["it's", "a b", "x" * 61])
def test_prefix_that_is_no_name_stops_every_command(prefix: str) -> None:
    ran = subprocess.run(
        (sys.executable, "-m", "cli.main", "keys", "list"),
        cwd=ROOT,
        env={**os.environ, "IMGEN_REDIS_PREFIX": prefix},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode != 0 and ran.stderr.strip().splitlines() == [
        "IMGEN_REDIS_PREFIX: expected 1 to 60 of letters, digits and : . _ -"
    ]


async def test_cluster_is_refused_in_one_line(tmp_path: Path) -> None:
    socket = tmp_path / "redis.sock"
    where = ("--port", "0", "--unixsocket", str(socket), "--dir", str(tmp_path), "--save", "")
    server = await asyncio.create_subprocess_exec(
        redis_binary(), *where, "--cluster-enabled", "yes", stdout=subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(30), contextlib.aclosing(connect(f"unix://{socket}")) as client:
            while not socket.exists():
                await asyncio.sleep(0.02)
            with pytest.raises(SettingError, match="that is a Redis Cluster, which imgen cannot use"):
                await refuse_cluster(client)
    finally:
        server.kill()
        await server.wait()


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://",
        "redis+sentinel://one:26379",
        "redis+sentinel://one:26379,,/main/0",
        "redis+sentinel://one:port/main",
        "redis+sentinel://one:26379/main/0/more",
    ],
)
def test_sentinels_that_name_no_master_are_refused_without_the_url(url: str) -> None:
    with pytest.raises(SettingError, match=r"redis\+sentinel:// or") as refused:
        connect(url)
    assert "26379" not in str(refused.value)


def test_sentinels_have_a_password_of_their_own() -> None:
    url = "rediss+sentinel://imgen:of-redis@one,two:7/main/3?sentinel_password=of-sentinels"
    pool: Any = connect(url).connection_pool
    assert pool.connection_kwargs["db"] == 3 and pool.connection_kwargs["password"] == "of-redis"
    asked = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
    assert [(each["host"], each["port"]) for each in asked] == [("one", 26379), ("two", 7)]
    assert {each["password"] for each in asked} == {"of-sentinels"}
