import contextlib

import pytest

from frontend.common.errors import ApiError
from frontend.http.byte_budget import ByteBudget


def test_one_owner_has_its_share_and_all_have_the_whole() -> None:
    budget = ByteBudget(10, share=6)
    with budget.account("a") as take_a, budget.account("b") as take_b, budget.account("a") as take_again:
        take_a(4)
        with pytest.raises(ApiError) as refused:
            take_again(3)
        assert refused.value.status == 503 and int(refused.value.headers["Retry-After"]) > 0
        take_again(2)
        take_b(4)
        with pytest.raises(ApiError):
            take_b(1)
    with budget.account("b") as take:
        take(6)


def test_bytes_come_back_from_what_failed() -> None:
    budget = ByteBudget(10, share=10)
    for _ in range(3):
        with contextlib.suppress(RuntimeError), budget.account("a") as take:
            take(10)
            raise RuntimeError
