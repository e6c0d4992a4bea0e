"""What the core asks of whoever runs it: to send, to read, to pause.

It does none of it itself, so that it stands once for both kinds of client.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .answers import Status

T = TypeVar("T")


@dataclass(frozen=True)
class Send:
    """Answered with an Answer; Lost is thrown in where none came."""

    method: str
    url: str
    most: int  # bytes of a body that is taken
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    redirected: bool = False  # whether it follows where it is sent to


@dataclass(frozen=True)
class Open:
    """Answered with an Answer, whose body is still to come where its status is 200.

    It is open until there is another effect than Next and Emit.
    """

    url: str
    headers: Mapping[str, str]
    silence_s: float  # the longest time without a byte


@dataclass(frozen=True)
class Next:
    """Answered with the next bytes of what is open, b"" at its end; Lost where the connection breaks."""


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class Emit:
    """For whoever goes through a stream."""

    status: Status


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    content: bytes = b""


class Lost(Exception):
    """No answer came."""

    def __init__(self, words: str, *, refused: bool = False, silent: bool = False) -> None:
        super().__init__(words)
        self.refused = refused
        self.silent = silent  # the connection stands, nothing comes


Effect = Send | Open | Next | Pause | Emit
Flow = Generator[Effect, Any, T]


class Steps(Generic[T]):
    """A flow, effect by effect."""

    effect: Effect
    value: T

    def __init__(self, flow: Flow[T]) -> None:
        self._flow = flow
        self.done = False
        self.resume()

    def resume(self, result: Any = None, error: Exception | None = None) -> None:
        """What came of the effect."""
        try:
            self.effect = self._flow.throw(error) if error else self._flow.send(result)
        except StopIteration as stop:
            self.done, self.value = True, stop.value
