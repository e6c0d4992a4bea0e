"""How many clients may wait."""

import pytest

from frontend.common.errors import ApiError
from frontend.events.seats import Seats


def test_key_and_process_have_their_limits_and_places_come_back() -> None:
    seats = Seats(3, each=2)
    with seats.seat("one"), seats.seat("one"):
        with pytest.raises(ApiError, match="Too many open streams for this key") as refused:
            seats.take("one")
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "5")
        with seats.seat("two"), pytest.raises(ApiError, match="Server is busy") as busy:
            seats.take("three")
        assert busy.value.status == 503
        seats.take("two")
    seats.give_back("two")
    assert seats.taken == 0
