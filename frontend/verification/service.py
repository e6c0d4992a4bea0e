"""What `verify` needs, built once: the registry, the readers, and what keeps strangers within bounds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from frontend.cells.cells import Cells
from frontend.common.fair_limiter import FairLimiter
from frontend.common.supervised import in_background
from frontend.invisible_mark.codes import Codes
from frontend.net.guarded_fetcher import GuardedFetcher, Unreachable
from frontend.registry.registry import Registry
from frontend.verification.verifier import Verifier


@dataclass(frozen=True, kw_only=True)
class VerificationSlots:
    """How much is done at a time for one kind of callers, who share it by key or address."""

    reading: FairLimiter
    fetching: FairLimiter  # a slow server elsewhere takes no slot from those who brought their picture


@dataclass(frozen=True, kw_only=True)
class VerificationService:
    verifier: Verifier
    fetcher: GuardedFetcher
    with_key: VerificationSlots
    without_key: VerificationSlots  # fewer: strangers never keep customers waiting for long

    async def fetch(self, slots: VerificationSlots, owner: str, url: str, most: int) -> bytes:
        """At most `most` bytes. `owner`: key or address.

        Raises ApiError 503, and Unreachable as late as silence would be: from the time a client could learn
        what there is in our network.
        """
        loop = asyncio.get_running_loop()
        async with slots.fetching.slot(owner):
            began = loop.time()
            try:
                return await self.fetcher.fetch(url, most)
            except Unreachable as error:
                refusal = error
        await asyncio.sleep(began + self.fetcher.timeout_s - loop.time())  # in nobody's slot
        raise refusal


@contextlib.asynccontextmanager
async def open_verification(
    redis: "Redis",
    keys: Sequence[Codes],
    chain: bytes,
    private_networks: Sequence[str],
    fetch_timeout_s: float,
    cells: Cells,
) -> AsyncIterator[VerificationService]:
    """`keys`: of the invisible mark, all versions; `chain`: of the content credentials, PEM.

    Raises SettingError.
    """
    registry = Registry(redis)
    async with (
        GuardedFetcher.open(private_networks, timeout_s=fetch_timeout_s) as fetcher,
        in_background(registry.follow()),
        Verifier.open(registry, keys, chain, cells) as verifier,
    ):
        yield VerificationService(
            verifier=verifier,
            fetcher=fetcher,
            with_key=VerificationSlots(
                reading=FairLimiter(2, waiting_each=16, waiting=32),
                fetching=FairLimiter(8, waiting_each=8, waiting=16),
            ),
            without_key=VerificationSlots(
                reading=FairLimiter(1, waiting_each=4, waiting=16),
                fetching=FairLimiter(4, waiting_each=4, waiting=16),
            ),
        )
