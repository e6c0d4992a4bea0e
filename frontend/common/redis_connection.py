"""The connection to Redis."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError


def connect(url: str) -> "Redis":
    """A client that reconnects by itself; scripts are written so that asking twice does no harm."""
    retry = Retry(ExponentialBackoff(cap=0.5, base=0.05), 3)
    return Redis.from_url(
        url,
        retry=retry,
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        socket_timeout=10,
        socket_connect_timeout=3,
        health_check_interval=30,
        protocol=2,
    )
