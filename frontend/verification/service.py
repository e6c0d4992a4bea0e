"""What `verify` needs, built once: the registry, the readers, and what keeps strangers within bounds."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from frontend.common.limiter import Room
from frontend.common.supervised import in_background
from frontend.finishing.certificate import Certificate
from frontend.http.rate_limit import Visitors
from frontend.invisible_mark.codes import Codes
from frontend.net.guarded_fetcher import Outside
from frontend.net.networks import Network, networks
from frontend.registry.registry import Registry
from frontend.settings import Settings
from frontend.verification.verifier import Verifier


@dataclass(frozen=True, kw_only=True)
class Checks:
    registry: Registry
    verifier: Verifier
    outside: Outside
    visitors: Visitors
    proxies: tuple[Network, ...]
    with_key: Room
    without_key: Room  # a smaller one: strangers never keep customers waiting for long
    fetching: Room  # a slow server elsewhere takes no place from those who brought their picture


@contextlib.asynccontextmanager
async def open_checks(
    settings: Settings, redis: "Redis", keys: Sequence[Codes], certificate: Certificate
) -> AsyncIterator[Checks]:
    """`keys`: of the invisible mark, all versions. Raises SettingError."""
    proxies = networks("trusted_proxies", settings.trusted_proxies)
    registry = Registry(redis)
    async with contextlib.AsyncExitStack() as stack:
        outside = await stack.enter_async_context(Outside.opened(settings))
        await stack.enter_async_context(in_background(registry.follow()))
        verifier = await stack.enter_async_context(Verifier.running(registry, keys, certificate.chain))
        yield Checks(
            registry=registry,
            verifier=verifier,
            outside=outside,
            visitors=Visitors(settings.verify_per_minute),
            proxies=proxies,
            with_key=Room(at_a_time=2, waiting=16),
            without_key=Room(at_a_time=1, waiting=4),
            fetching=Room(at_a_time=8, waiting=8),
        )
