"""One row of the table of routes (frontend/routes.py): how it is reached, and what it answers."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from aiohttp import web

JSON = "application/json"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True)
class RouteAnswer:
    """`body`: of JSON; None where the media type says it all."""

    description: str
    body: type[msgspec.Struct] | None = None
    holds: tuple[type[msgspec.Struct], ...] = ()  # what a text in the body is, read as JSON
    media_type: str = JSON  # "": without a body
    status: int = 200


@dataclass(frozen=True, kw_only=True)
class RouteParameter:
    """What a request says beside its body."""

    name: str
    place: Literal["path", "query", "header"]
    description: str
    example: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"}, hash=False)
    required: bool = False
    extension: bool = True  # the published documentation does not know it


@dataclass(frozen=True, kw_only=True)
class Route:
    method: str
    path: str  # as aiohttp writes it
    handler: Handler
    name: str  # of the operation, as programs call it
    description: str  # one sentence
    group: str = "The API"  # under which it is shown
    answers: tuple[RouteAnswer, ...]
    asks: type[msgspec.Struct] | None = None  # the body, where it is no action
    errors: type[msgspec.Struct] | None = None  # the form of its errors; None: `{"error": words}`
    shows: tuple[str, ...] = ()  # fields that an example of it has
    parameters: tuple[RouteParameter, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()  # of aiohttp's route
    described: bool = True  # False: a part of a page, or another spelling of a row that is
    with_key: bool = False  # whether it asks for a key
    extension: bool = True  # the published documentation does not know it

    @property
    def plain_path(self) -> str:
        """Without aiohttp's patterns: `/files/{key}`."""
        return re.sub(r"\{(\w+):[^}]*\}", r"{\1}", self.path)

    @property
    def definition(self) -> web.RouteDef:
        options: dict[str, Any] = dict(self.options)
        if self.method == "GET":  # HEAD as well
            return web.get(self.path, self.handler, **options)
        return web.route(self.method, self.path, self.handler, **options)
