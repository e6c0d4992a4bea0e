"""How much of a limit is left, as header fields tell it (draft-ietf-httpapi-ratelimit-headers-10)."""

import functools
from collections.abc import Sequence

import msgspec
from multidict import istr

# aiohttp compares names of this type without looking at their letters.
RATE_LIMIT, RATE_LIMIT_POLICY = istr("RateLimit"), istr("RateLimit-Policy")
MAX_POLICIES = 1_000  # that are remembered as texts


class Quota(msgspec.Struct, frozen=True):
    name: str  # of the limit
    most: int  # in a window
    window_s: int
    left: int
    reset_s: int  # where nothing is left until something is, else until all is


def quota_headers(quotas: Sequence[Quota]) -> dict[str, str]:
    return {
        RATE_LIMIT_POLICY: ", ".join([_policy(each.name, each.most, each.window_s) for each in quotas]),
        RATE_LIMIT: ", ".join([f'"{each.name}";r={each.left};t={each.reset_s}' for each in quotas]),
    }


@functools.lru_cache(MAX_POLICIES)
def _policy(name: str, most: int, window_s: int) -> str:
    return f'"{name}";q={most};w={window_s}'
