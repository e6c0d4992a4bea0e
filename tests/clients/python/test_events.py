"""The reader of event streams, by the rules of the HTML standard."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgen_client.events import MAX_CHARACTERS, EventReader, ServerEvent

TEXT = (
    "\ufeff: a comment\r\nid: 1\r\nevent: status\r\ndata: {é\r\ndata:  two}\r\n\r\nretry: 250\rdata: x\r\r"
    "retry: soon\nid: a\0b\ndata\n\nevent: only\n\nid\ndata: y: z\n\ndata: without an end"
)
EVENTS = [
    ServerEvent("1", "status", "{é\n two}"),
    ServerEvent("1", "message", "x"),
    ServerEvent("1", "message", ""),
    ServerEvent("", "message", "y: z"),
]


@given(st.lists(st.integers(0, len(TEXT.encode())), max_size=20))
def test_events_are_the_same_however_they_come_in_pieces(cuts: list[int]) -> None:
    data, reader = TEXT.encode(), EventReader()
    places = [0, *sorted(cuts), len(data)]
    pieces = [data[first:last] for first, last in itertools.pairwise(places)]
    assert [event for piece in pieces for event in reader.read(piece)] == EVENTS
    assert reader.retry_s == 0.25 and reader.id == ""


@pytest.mark.parametrize("piece", [b"x" * 65_536, b"data: " + b"x" * 65_529 + b"\n"])
def test_event_without_an_end_is_refused(piece: bytes) -> None:
    reader, enough = EventReader(), MAX_CHARACTERS // len(piece) + 1
    for _ in range(enough - 2):
        assert reader.read(piece) == []
    with pytest.raises(ValueError, match="no end"):
        reader.read(piece * 3)
