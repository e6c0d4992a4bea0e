"""One row of the table of actions: what is asked and answered, and how often."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from frontend.actions.context import Call, Visit
from frontend.http.request_reader import Body, RequestReader
from frontend.keys.api_keys import Scope
from frontend.keys.rates import RateClass


@dataclass(frozen=True, kw_only=True)
class Action:
    """`asks`: its tag is the action's name. `answers`: the types of which `run` returns one."""

    asks: type[msgspec.Struct]
    answers: tuple[type[msgspec.Struct], ...]
    run: Callable[[Call[Any]], Awaitable[msgspec.Struct]]
    run_without_key: Callable[[Visit[Any]], Awaitable[msgspec.Struct]] | None = None
    scope: Scope = Scope.GENERATE  # that a key must have
    rate: RateClass | None = None  # None: it has that of all requests alone
    rules: Mapping[str, Any] = field(default_factory=dict)  # JSON Schema of what fields are to each other
    shows: tuple[str, ...] = ()  # fields that an example of it has
    extension: bool = False  # the published documentation does not know it
    read: Callable[[Body], msgspec.Struct] = field(init=False)  # raises ApiError 400

    def __post_init__(self) -> None:
        object.__setattr__(self, "read", RequestReader(self.asks).read)

    @property
    def name(self) -> str:
        return str(self.asks.__struct_config__.tag)
