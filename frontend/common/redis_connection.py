"""The connection to Redis."""

from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from frontend.common.errors import SettingError

SENTINEL_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
SENTINEL_PORT = 26379
PROBE_TIMEOUT_S = 2.5  # less than readiness waits, so that the error is told


def connect(url: str) -> "Redis":
    """A client that reconnects by itself; scripts are written so that asking twice does no harm.

    Raises SettingError.
    """
    return _client(
        url,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 3),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        socket_timeout=10,
        socket_connect_timeout=3,
        health_check_interval=30,
    )


def connect_to_probe(url: str) -> "Redis":
    """A client that tries once, and so tells at once what is wrong: without a password that is needed, the
    other one goes on trying for ever. Raises SettingError."""
    return _client(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=PROBE_TIMEOUT_S,
        socket_connect_timeout=PROBE_TIMEOUT_S,
    )


def _client(url: str, **options: Any) -> "Redis":
    try:
        scheme, _, rest = url.partition("://")
        if scheme in SENTINEL_SCHEMES:
            return _found_by_sentinels(SENTINEL_SCHEMES[scheme], rest, options)
        return Redis.from_url(url, protocol=2, **options)
    except ValueError:  # its words may hold the URL, and that a password
        raise SettingError(
            "IMGEN_REDIS_URL: expected redis://, rediss:// or unix://…, or redis+sentinel:// or "
            "rediss+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/MASTER/DB"
        ) from None


def _found_by_sentinels(scheme: str, rest: str, options: dict[str, Any]) -> "Redis":
    """Asks sentinels for the master at each new connection. `rest`: what follows ://. Raises ValueError."""
    place, _, query = rest.partition("?")
    login, _, place = place.rpartition("@")
    hosts, *path = place.split("/")
    if not path or not path[0] or len(path) > 2:
        raise ValueError("names no master")
    login = f"{login}@" if login else ""
    # What all URLs may say (user, database, certificates) is read by the library, as of any URL.
    told: dict[str, Any] = {**parse_url(f"{scheme}://{login}sentinel/{''.join(path[1:])}?{query}")}
    of_sentinels = {
        name.removeprefix("sentinel_"): told.pop(name)
        for name in ("sentinel_username", "sentinel_password")
        if name in told
    }
    del told["host"]
    if told.pop("connection_class", None):
        told["ssl"] = True
    tls = {name: value for name, value in told.items() if name.startswith("ssl")}
    timeouts = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout")}
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        [_host_and_port(host) for host in hosts.split(",")],
        sentinel_kwargs={**tls, **timeouts, **of_sentinels},
    )
    pool = _ClosingPool
    client: Redis = sentinels.master_for(path[0], Redis, pool, protocol=2, **told, **options)
    return client


class _ClosingPool(SentinelConnectionPool):
    """With its own connections those to the sentinels are closed, which nobody else would."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)
        for sentinel in self.sentinel_manager.sentinels:
            await sentinel.aclose()


def _host_and_port(text: str) -> tuple[str, int]:
    url = urlsplit(f"//{text}")
    if not url.hostname:
        raise ValueError("no host")
    return url.hostname, url.port or SENTINEL_PORT
