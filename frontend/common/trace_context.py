"""Which trace a piece of work belongs to: W3C Trace Context, https://www.w3.org/TR/trace-context/."""

import re
from dataclasses import dataclass

_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True)
class TraceContext:
    trace_id: str  # 32 hex digits
    span_id: str  # 16 hex digits, of the span that work is a part of
    sampled: bool  # whether that span is told to a collector

    def __str__(self) -> str:
        """As the header `traceparent` has it."""
        return f"00-{self.trace_id}-{self.span_id}-{self.sampled:02d}"


def read_traceparent(text: str | None) -> TraceContext | None:
    """None of what is none: a client's mistake in it is no reason to refuse a request."""
    found = _HEADER.fullmatch(text) if text and len(text) <= 512 else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & 1))
