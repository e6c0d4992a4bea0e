"""What `Prefer` headers ask for."""

import pytest

from frontend.actions.prefer import preferred_wait


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((), 0),
        (("wait=30",), 30),
        (('respond-async, WAIT="7"; foo=bar',), 7),
        (("return=minimal", "wait = 5"), 5),
        (("wait=2, wait=50",), 2),  # the first counts
        (("wait=61",), 60),
        (("wait=999999999",), 60),
        (("wait=0",), 0),
        (("wait",), 0),
        (("wait=-1",), 0),
        (("wait=1.5",), 0),
        (("wait=\u0663",), 0),
        (('wait="3',), 0),
        (("await=3",), 0),
        (("wait=" + "9" * 5_000,), 0),
    ],
)
def test_wait_is_read_and_what_is_none_is_ignored(headers: tuple[str, ...], seconds: int) -> None:
    assert preferred_wait(headers) == seconds
