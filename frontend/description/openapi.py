"""The API as OpenAPI 3.1."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import msgspec

from frontend.actions import ACTIONS
from frontend.actions.action import Action
from frontend.actions.status_answer import ENDS, ID
from frontend.common.errors import ApiError
from frontend.common.version import __version__
from frontend.description.errors import ERRORS, ErrorRow, phrase
from frontend.description.schemas import (
    REF,
    Schema,
    answer_example,
    answer_schemas,
    request_example,
    request_schema,
    sentence,
)
from frontend.http.openai_error import openai_error
from frontend.http.route import JSON, Route, RouteAnswer, RouteParameter

TITLE = "imgen"
API = "/api/v2"
_REQUEST_ID = {"description": "Of this answer: yours, if you sent a sane one", "schema": {"type": "string"}}
_RETRY_AFTER = {"description": "Seconds after which it is worth asking again", "schema": {"type": "string"}}
WEBHOOK_HEADERS = tuple(
    RouteParameter(name=name, place="header", description=words, example=example, required=True)
    for name, words, example in (
        ("webhook-id", "The job's id, the same at every attempt.", ID),
        ("webhook-timestamp", "Of this attempt, seconds since 1970.", "1795600000"),
        (
            "webhook-signature",
            "One for each secret that is valid.",
            "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
        ),
    )
)
_QUOTAS = {
    name: {"description": words, "schema": {"type": "string"}, "example": example}
    for name, words, example in (
        ("RateLimit-Policy", "Limits of the key that were looked at: `q` in `w` seconds",
         '"requests";q=1600;w=2, "orders";q=600;w=60'),
        ("RateLimit", "What is left of each: `r`, and all in `t` seconds; where `r` is 0, something then",
         '"requests";r=1599;t=1, "orders";r=599;t=1'),
    )
}  # fmt: skip
_WAITING = (429, 503)  # answers that say when to come back


def openapi(routes: Iterable[Route]) -> dict[str, Any]:
    told = [route for route in routes if route.described]
    kinds = [answer.body for route in told for answer in route.answers if answer.body]
    kinds += [each for route in told for answer in route.answers for each in answer.holds]
    kinds += [route.errors for route in told if route.errors]
    answers = answer_schemas(kinds)
    statuses = [(rows[0].status, rows) for rows in _by_status(ERRORS)]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": TITLE,
            "version": __version__,
            "summary": "Makes pictures from prompts, reviews them, and tells them again",
            "description": f"Every action is a `POST {API}`. `/llm-docs` tells the same in prose. What is "
            "marked `x-extension` is not in the published documentation of API v2.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": _paths(told, answers),
        "webhooks": {"jobEnded": {"post": _webhook(answers)}},
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key. Only `verify` goes without one.",
                }
            },
            "headers": {"X-Request-ID": _REQUEST_ID, "Retry-After": _RETRY_AFTER, **_QUOTAS},
            "schemas": {
                **{action.asks.__name__: _request(action) for action in ACTIONS.values()},
                **{route.asks.__name__: request_schema(route.asks) for route in told if route.asks},
                **answers,
                **{f"Error{status}": _error_schema(status, rows) for status, rows in statuses},
            },
        },
    }


def _paths(routes: Iterable[Route], schemas: dict[str, Schema]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for route in routes:
        found.setdefault(route.plain_path, {})[route.method.lower()] = _operation(route, schemas)
    return found


def _request(action: Action) -> Schema:
    mark = {"x-extension": True} if action.extension else {}
    return {**request_schema(action.asks), **action.rules, **mark}


def _operation(route: Route, schemas: dict[str, Schema]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.group],
        "summary": route.description.rstrip(".").replace("`", ""),
        "responses": {**_answers(route, schemas), **_errors(route, schemas)},
    }
    if route.extension:
        described["x-extension"] = True
    if route.with_key:
        described["security"] = [{"key": []}]
    if route.path == API:
        told = (f"- `{name}`: {sentence(action.asks)}" for name, action in ACTIONS.items())
        described |= {
            "description": "\n".join(told),
            "security": [{"key": []}, {}],  # `verify` goes without
            "requestBody": _any_action(),
        }
    elif route.asks:
        described["requestBody"] = _body(route.asks, route.shows)
    if route.parameters:
        described["parameters"] = [_parameter(each) for each in route.parameters]
    return described


def _webhook(schemas: dict[str, Schema]) -> dict[str, Any]:
    """What this server asks of a client's."""
    return {
        "operationId": "job_ended",
        "tags": ["Webhooks"],
        "summary": "Tells `webhook_url` of a job's end, as `status` would",
        "x-extension": True,
        "parameters": [_parameter(each) for each in WEBHOOK_HEADERS],
        "requestBody": {"required": True, "content": {JSON: _content(JSON, list(ENDS), schemas)}},
        "responses": {
            "2XX": {"description": "It has arrived"},
            "410": {"description": "No more attempts are wanted"},
            "default": {"description": "Another attempt follows, for an hour"},
        },
    }


def _parameter(each: RouteParameter) -> dict[str, Any]:
    told = {
        "name": each.name,
        "in": each.place,
        "description": each.description,
        "required": each.required,
        "schema": dict(each.schema),
        "example": each.example,
    }
    return told | ({"x-extension": True} if each.extension else {})


def _body(kind: type[msgspec.Struct], shown: tuple[str, ...]) -> dict[str, Any]:
    schema, example = {"$ref": REF.format(name=kind.__name__)}, request_example(kind, shown)
    return {"required": True, "content": {JSON: {"schema": schema, "example": example}}}


def _any_action() -> dict[str, Any]:
    refs = {name: REF.format(name=action.asks.__name__) for name, action in ACTIONS.items()}
    return {
        "required": True,
        "description": "Any content type is taken; the body is JSON all the same.",
        "content": {
            JSON: {
                "schema": {
                    "oneOf": [{"$ref": ref} for ref in refs.values()],
                    "discriminator": {"propertyName": "action", "mapping": refs},
                },
                "examples": {
                    name: {
                        "summary": f"{name}: {sentence(action.asks)}",
                        "value": request_example(action.asks, action.shows),
                    }
                    for name, action in ACTIONS.items()
                },
            }
        },
    }


def _answers(route: Route, schemas: dict[str, Schema]) -> dict[str, Any]:
    by_status: dict[int, list[RouteAnswer]] = {}
    for answer in route.answers:
        by_status.setdefault(answer.status, []).append(answer)
    return {str(status): _response(answers, schemas, route.with_key) for status, answers in by_status.items()}


def _response(answers: list[RouteAnswer], schemas: dict[str, Schema], with_key: bool) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for media_type in dict.fromkeys(answer.media_type for answer in answers if answer.media_type):
        bodies = [each.body for each in answers if each.media_type == media_type and each.body]
        content[_plain(media_type)] = _content(media_type, list(dict.fromkeys(bodies)), schemas)
    return {
        "description": answers[0].description if len(answers) == 1 else "What was asked for",
        "headers": _headers(with_key),
        **({"content": content} if content else {}),
    }


def _content(
    media_type: str, bodies: list[type[msgspec.Struct]], schemas: dict[str, Schema]
) -> dict[str, Any]:
    if not bodies:
        return {"schema": _raw(media_type)}
    refs = [{"$ref": REF.format(name=each.__name__)} for each in bodies]
    told: dict[str, Any] = {"schema": refs[0] if len(refs) == 1 else {"anyOf": refs}}
    if media_type == JSON:
        told["examples"] = {
            each.__name__: {"summary": sentence(each), "value": answer_example(each, schemas)}
            for each in bodies
        }
    return told


def _raw(media_type: str) -> Schema:
    if media_type == JSON:
        return {"type": "object"}
    return {"type": "string"} if media_type.startswith("text/") else {"type": "string", "format": "binary"}


def _plain(media_type: str) -> str:
    return media_type.partition(";")[0]


def _headers(with_key: bool, status: int = 200) -> dict[str, Any]:
    waiting = ("Retry-After",) if status in _WAITING else ()
    names = ("X-Request-ID", *waiting, *(_QUOTAS if with_key else ()))
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _errors(route: Route, schemas: dict[str, Schema]) -> dict[str, Any]:
    actions = frozenset(ACTIONS) if route.path == API else frozenset()
    rows = [row for row in ERRORS if row.concerns(route.plain_path, actions)]
    own = {answer.status for answer in route.answers}
    told: dict[str, Any] = {}
    for of_status in _by_status(rows):
        status = of_status[0].status
        if status in own:  # the route says it in a body of its own
            continue
        told[str(status)] = {
            "description": phrase(status),
            "headers": _headers(route.with_key, status),
            "content": {
                JSON: {
                    "schema": {"$ref": REF.format(name=_error_name(route, status))},
                    "examples": {
                        row.name: {
                            "summary": row.words,
                            "description": row.cause,
                            "value": _error_example(route, row),
                        }
                        for row in of_status
                    },
                }
            },
        }
    return told


def _error_name(route: Route, status: int) -> str:
    return route.errors.__name__ if route.errors else f"Error{status}"


def _error_example(route: Route, row: ErrorRow) -> Any:
    if route.errors is None:
        return {"error": row.words}
    return msgspec.to_builtins(openai_error(ApiError(row.status, row.words)))


def _by_status(rows: Iterable[ErrorRow]) -> list[list[ErrorRow]]:
    return [list(group) for _, group in groupby(rows, key=lambda row: row.status)]


def _error_schema(status: int, rows: list[ErrorRow]) -> Schema:
    fields: dict[str, Schema] = {
        "error": {
            "type": "string",
            "description": "The words",
            "pattern": f"^({'|'.join(row.pattern for row in rows)})$",
        },
        "detail": {"type": "string", "description": "A sentence more, where there is one"},
    }
    if status == 500:
        fields["request_id"] = {"type": "string", "description": "As in the server's log"}
    return {
        "title": f"Error{status}",
        "description": phrase(status),
        "type": "object",
        "properties": fields,
        "required": ["error"],
    }
