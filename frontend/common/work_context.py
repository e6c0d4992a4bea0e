"""What the work at hand belongs to, for logs and traces. Tasks that it starts inherit it."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar, Token

import msgspec
from msgspec.structs import replace

from frontend.common.trace_context import TraceContext


class WorkContext(msgspec.Struct, frozen=True, kw_only=True):
    request: str = ""  # id of the HTTP request
    key: str = ""  # id of the key that asked
    job: str = ""  # id
    trace: TraceContext | None = None


_NONE = WorkContext()
_current: ContextVar[WorkContext] = ContextVar("work", default=_NONE)


def current_work() -> WorkContext:
    return _current.get()


def enter_work(work: WorkContext) -> "Token[WorkContext]":
    """To be left again by leave_work. For what is done for every request; else `working`."""
    return _current.set(work)


def leave_work(token: "Token[WorkContext]") -> None:
    _current.reset(token)


def know_key(key_id: str) -> None:
    """From now on until the request ends."""
    _current.set(replace(_current.get(), key=key_id))


def know_job(job_id: str) -> None:
    _current.set(replace(_current.get(), job=job_id))


@contextlib.contextmanager
def working(work: WorkContext) -> Iterator[None]:
    token = _current.set(work)
    try:
        yield
    finally:
        _current.reset(token)
