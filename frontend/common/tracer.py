"""Spans of traces. Without a collector there are none, and none cost anything: `span` then does nothing.

A trace begins with a request (http/middleware.py) or goes on from a job's record (jobs/worker.py, review/);
what is done within opens its own spans by `span`, without knowing whether anybody listens.
"""

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Protocol

from msgspec.structs import replace

from frontend.common.trace_context import TraceContext
from frontend.common.work_context import current_work, working

TRACEPARENT = "traceparent"
Attributes = Mapping[str, str | int | float | bool]
_NOTHING = nullcontext()


class Span(Protocol):
    @property
    def context(self) -> TraceContext: ...

    def child(self, name: str, attributes: Attributes) -> "Span": ...

    def told(self, name: str, began_ago_s: float, took_s: float, attributes: Attributes) -> None:
        """A child that is over: it began so long ago."""
        ...

    def note(self, attributes: Attributes) -> None: ...

    def end(self, error: BaseException | None = None) -> None: ...


class Tracer(Protocol):
    def begin(self, name: str, parent: TraceContext | None, attributes: Attributes) -> Span | None:
        """A span of this trace, or of a new one. None: this one is not traced."""
        ...

    def resume(self, name: str, parent: TraceContext | None, attributes: Attributes) -> Span | None:
        """A span of a trace that another process decided to sample. None: it is not traced."""
        ...

    def close(self) -> None:
        """Sends what is left, for a moment at most. Blocks."""
        ...


class NoTracer:
    """Where no collector is named."""

    def begin(self, name: str, parent: TraceContext | None, attributes: Attributes) -> Span | None:
        return None

    def resume(self, name: str, parent: TraceContext | None, attributes: Attributes) -> Span | None:
        return None

    def close(self) -> None: ...


NO_TRACER = NoTracer()


_span: ContextVar[Span | None] = ContextVar("span", default=None)


@contextlib.contextmanager
def spanning(span: Span | None) -> Iterator[None]:
    """What `span` opens meanwhile lies within this one, which then ends. None: the work is not traced."""
    if span is None:
        yield
        return
    token = _span.set(span)
    try:
        with working(replace(current_work(), trace=span.context)):
            yield
    except BaseException as error:
        span.end(error)
        raise
    else:
        span.end()
    finally:
        _span.reset(token)


def span(name: str, **attributes: str | int | float | bool) -> AbstractContextManager[None]:
    """A part of what is traced at the moment."""
    parent = _span.get()
    return _NOTHING if parent is None else spanning(parent.child(name, attributes))


def told_span(name: str, began_ago_s: float, took_s: float, **attributes: str | int | float | bool) -> None:
    """A part of it that is over."""
    if (parent := _span.get()) is not None:
        parent.told(name, began_ago_s, took_s, attributes)


def note(**attributes: str | int | float | bool) -> None:
    """Of the span at the moment."""
    if (current := _span.get()) is not None:
        current.note(attributes)


def trace_headers() -> dict[str, str]:
    """For another service, so that its spans lie within ours; none where nothing is traced."""
    current = _span.get()
    return {} if current is None else {TRACEPARENT: str(current.context)}
