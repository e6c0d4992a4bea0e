"""What `verify` needs, built once: the registry, the readers, and what keeps strangers within bounds."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from frontend.cells.cells import Cells
from frontend.common.limiter import Limiter
from frontend.common.supervised import in_background
from frontend.invisible_mark.codes import Codes
from frontend.net.guarded_fetcher import GuardedFetcher
from frontend.registry.registry import Registry
from frontend.verification.verifier import Verifier


@dataclass(frozen=True, kw_only=True)
class VerificationService:
    verifier: Verifier
    fetcher: GuardedFetcher
    with_key: Limiter
    without_key: Limiter  # a smaller one: strangers never keep customers waiting for long
    fetching: Limiter  # a slow server elsewhere takes no slot from those who brought their picture


@contextlib.asynccontextmanager
async def open_verification(
    redis: "Redis", keys: Sequence[Codes], chain: bytes, private_networks: Sequence[str], cells: Cells
) -> AsyncIterator[VerificationService]:
    """`keys`: of the invisible mark, all versions; `chain`: of the content credentials, PEM.

    Raises SettingError.
    """
    registry = Registry(redis)
    async with (
        GuardedFetcher.open(private_networks) as fetcher,
        in_background(registry.follow()),
        Verifier.open(registry, keys, chain, cells) as verifier,
    ):
        yield VerificationService(
            verifier=verifier,
            fetcher=fetcher,
            with_key=Limiter(at_a_time=2, waiting=16),
            without_key=Limiter(at_a_time=1, waiting=4),
            fetching=Limiter(at_a_time=8, waiting=8),
        )
