"""A key's jobs in a day and its pictures in a month: what is left, and what one job too many is told."""

import calendar
import math
from collections.abc import Iterator
from datetime import UTC, datetime

from frontend.common.errors import ApiError
from frontend.domain.quota import Quota, quota_headers
from frontend.keys.api_keys import KeyTerms

DAY_S = 86_400


def over_budget(terms: KeyTerms, limit: bytes, wait_ms: int) -> ApiError:
    """`limit`: daily or monthly, as jobs/lua/_usage.lua calls it."""
    if limit == b"daily":
        words, quota = "Daily limit of jobs is reached", _daily(terms, terms.daily, wait_ms)
        detail = f"This key may order {terms.daily} jobs a day (UTC)"
    else:
        words, quota = "Monthly budget of pictures is used up", _monthly(terms, terms.monthly, wait_ms)
        detail = f"This key may have {terms.monthly} pictures drawn a month (UTC)"
    later = {"Retry-After": str(quota.reset_s), **quota_headers([quota])}
    return ApiError(429, words, later, detail=detail)


def budgets(terms: KeyTerms, used: list[int]) -> Iterator[Quota]:
    """`used`: jobs today, ms until tomorrow, pictures this month, ms until the next one; or nothing."""
    if used:
        jobs, day_ms, pictures, month_ms = used
        if terms.daily:
            yield _daily(terms, jobs, day_ms)
        if terms.monthly:
            yield _monthly(terms, pictures, month_ms)


def _daily(terms: KeyTerms, jobs: int, wait_ms: int) -> Quota:
    return Quota("daily", terms.daily, DAY_S, max(0, terms.daily - jobs), math.ceil(wait_ms / 1000))


def _monthly(terms: KeyTerms, pictures: int, wait_ms: int) -> Quota:
    now = datetime.now(UTC)
    days = calendar.monthrange(now.year, now.month)[1]
    left = max(0, terms.monthly - pictures)
    return Quota("monthly", terms.monthly, days * DAY_S, left, math.ceil(wait_ms / 1000))
