import logging

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from frontend.common.outage_log import OutageLog

LOG = logging.getLogger("tests.outage")


def test_outage_is_logged_when_it_begins_and_when_it_ends_however_long_it_lasts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = OutageLog(LOG, "the part")
    outage.succeeded()
    for _ in range(3):
        outage.failed("away")
        assert outage.lasts
    outage.succeeded()
    outage.succeeded()
    assert not outage.lasts
    assert caplog.messages == ["the part: away", "the part: works again"]


@pytest.mark.parametrize(
    ("reason", "traced"),
    [
        ("words", False),
        (OSError("away"), False),
        (RedisConnectionError("away"), False),
        (KeyError("x"), True),
    ],
)
def test_only_a_fault_of_our_own_brings_its_traceback(
    reason: Exception | str, traced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    OutageLog(LOG, "the part").failed(reason)
    assert (caplog.records[0].exc_info is not None) is traced
