"""When a part is asked whether it can be used, and what is told where it cannot."""

import asyncio
import time

import pytest

from frontend.common import probe
from frontend.common.probe import NotReady, Probe


class Part:
    def __init__(self) -> None:
        self.asked = 0
        self.fault: Exception | None = None
        self.answer: bool | None = None

    async def ask(self) -> bool | None:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.fault:
            raise self.fault
        return self.answer


async def fault_of(subject: Probe, since: float = 0.0) -> str | None:
    try:
        await subject.check(since)
    except NotReady as error:
        return str(error)
    return None


async def test_flood_of_questions_is_one_for_the_part() -> None:
    part = Part()
    subject = Probe(part.ask, fresh_s=60)
    for _ in range(3):
        assert await asyncio.gather(*(fault_of(subject) for _ in range(200))) == [None] * 200
    assert part.asked == 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (NotReady("IMGEN_S3_BUCKET: there is no such bucket"), "IMGEN_S3_BUCKET: there is no such bucket"),
        (OSError("connect to redis://:secret@host failed"), "OSError"),
    ],
)
async def test_words_that_are_meant_for_operators_are_told_and_no_others(fault: Exception, told: str) -> None:
    part = Part()
    part.fault = fault
    assert await fault_of(Probe(part.ask)) == told
    setting = "" if "IMGEN_" in told else "IMGEN_S3_BUCKET: "
    assert await fault_of(Probe(part.ask, setting="IMGEN_S3_BUCKET")) == f"{setting}{told}"


async def test_part_that_says_no_is_not_ready() -> None:
    part = Part()
    part.answer = False
    assert await fault_of(Probe(part.ask)) == ""
    told = "IMGEN_TRITON_URLS: nothing there is ready"
    assert await fault_of(Probe(part.ask, setting="IMGEN_TRITON_URLS")) == told


async def test_answer_to_an_older_question_does_not_count() -> None:
    part = Part()
    subject = Probe(part.ask, fresh_s=60)
    await subject.check()
    part.fault = NotReady("away")
    assert await fault_of(subject) is None
    assert await fault_of(subject, since=time.monotonic()) == "away"
    assert part.asked == 2


async def test_question_that_was_under_way_before_does_not_count() -> None:
    part = Part()
    subject = Probe(part.ask, fresh_s=60)
    early = asyncio.create_task(fault_of(subject))
    await asyncio.sleep(0)
    since = time.monotonic()
    assert await asyncio.gather(*(fault_of(subject, since) for _ in range(20))) == [None] * 20
    assert await early is None
    assert part.asked == 2


async def test_silence_is_told_after_its_time() -> None:
    subject = Probe(asyncio.Event().wait)
    began = time.monotonic()
    assert await fault_of(subject) == "no answer within 3 s"
    assert time.monotonic() - began < probe.TIMEOUT_S + 5
