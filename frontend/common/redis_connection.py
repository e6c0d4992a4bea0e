"""The connection to Redis."""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from frontend.common.errors import SettingError

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
        return Redis.from_url(url, protocol=2, **options)
    except ValueError:  # its words may hold the URL, and that a password
        raise SettingError("IMGEN_REDIS_URL: expected redis://, rediss:// or unix://…") from None
