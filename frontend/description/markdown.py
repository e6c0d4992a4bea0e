"""The whole API as Markdown: the prose of reference.md, and tables made of the types behind it."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from contract.sizes import SIZES
from frontend.actions import ACTIONS
from frontend.description.errors import ANY_REQUEST, ERRORS, ErrorRow
from frontend.description.schemas import (
    Schema,
    answer_example,
    answer_schemas,
    default_of,
    field_schema,
    range_of,
    request_example,
    sentence,
    structs_in,
)
from frontend.http.request_reader import fields_of
from frontend.http.route import Route

REFERENCE = Path(__file__).with_name("reference.md")
_GAP = re.compile(r"\{\{(\w+)(?: (\w+))?\}\}")
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)[^)]*\)")


def reference(routes: Iterable[Route]) -> str:
    """As docs/api.md has it, with links to the other documents.

    In the prose `{{request NAME}}` and `{{answers NAME}}` stand for what an action or a route is asked and
    answers, `{{errors}}` and `{{routes}}` for the tables.
    """
    told = [route for route in routes if route.described]
    asked = {
        **{name: (action.asks, action.shows) for name, action in ACTIONS.items()},
        **{route.name: (route.asks, route.shows) for route in told if route.asks},
    }
    answered = {
        **{name: action.answers for name, action in ACTIONS.items()},
        **{route.name: _bodies(route) for route in told},
    }
    makes: dict[str, Callable[[str], str]] = {
        "request": lambda name: _request(*asked[name]),
        "answers": lambda name: _answers(answered[name]),
        "sizes": lambda _: ", ".join(f"{width}x{height}" for width, height in SIZES),
        "errors": lambda _: _errors(),
        "routes": lambda _: _routes(told),
    }
    return _GAP.sub(lambda gap: makes[gap[1]](gap[2] or ""), REFERENCE.read_text())


def page_for_models(routes: Iterable[Route]) -> str:
    """The same for who has nothing but this page: without links to documents that no server has."""
    return _LINK.sub(r"\1", reference(routes))


def _bodies(route: Route) -> tuple[type[msgspec.Struct], ...]:
    return tuple(kind for each in route.answers for kind in (each.body, *each.holds) if kind)


def _request(kind: type[msgspec.Struct], shown: Iterable[str]) -> str:
    example = _json(request_example(kind, shown))
    fields = fields_of(kind)
    if not fields:
        return example
    rows = []
    for each in fields:
        schema = field_schema(each)
        words = str(msgspec.json.schema(each.type)["description"])
        default = "required" if each.required else default_of(each)
        outside = each.lenience.outside if each.lenience else "" if _kind(schema) == "boolean" else "400"
        what = f"{words} (extension)" if schema.get("x-extension") else words
        rows.append((f"`{each.name}`", _kind(schema), default, range_of(each), outside, what))
    head = ("field", "type", "default", "range", "outside of it", "what it is")
    return f"{example}\n\n{_table(head, rows)}"


def _answers(kinds: tuple[type[msgspec.Struct], ...]) -> str:
    """Each answer: its sentence, an example, its fields, and those of what it holds."""
    schemas = answer_schemas(kinds)
    told = []
    for kind in kinds:
        told.append(f"{sentence(kind)}\n\n{_json(answer_example(kind, schemas))}")
    held = [kind for kind in structs_in(kinds) if len(schemas[kind.__name__]["properties"]) > 1]
    told += [_fields(kind, schemas) for kind in held]
    return "\n\n".join(told)


def _fields(kind: type[msgspec.Struct], schemas: dict[str, Schema]) -> str:
    schema, rows = schemas[kind.__name__], []
    for name, each in schema["properties"].items():
        what = each.get("description", "")
        if name not in schema["required"]:
            what = f"{what} (may be missing)" if "missing" not in what else what
        what += " (extension)" if each.get("x-extension") else ""
        rows.append((f"`{name}`", _kind(each, schemas), what))
    return _table((f"of {kind.__name__}", "type", "what it is"), rows)


def _errors() -> str:
    rows = [(str(row.status), f"`{row.words}`", _of(row), row.cause) for row in ERRORS]
    return _table(("status", "error", "of", "cause"), rows)


def _of(row: ErrorRow) -> str:
    if row.of == ANY_REQUEST:
        return "every request"
    names = [f"`{name}`" for name in (*row.of, *row.also)]
    return ", ".join(names if row.of else ["every action", *names])


def _routes(routes: Iterable[Route]) -> str:
    rows = []
    for route in routes:
        kinds = dict.fromkeys(
            answer.media_type.partition(";")[0] for answer in route.answers if answer.media_type
        )
        key = "a key" if route.with_key else ""
        rows.append((f"`{route.method} {route.plain_path}`", key, ", ".join(kinds), route.description))
    return _table(("address", "needs", "answers", "what it is"), rows)


def _kind(schema: Schema, schemas: Mapping[str, Schema] = MappingProxyType({})) -> str:
    """The JSON type, in words. `schemas`: what is referred to."""
    if "$ref" in schema:
        name = str(schema["$ref"].rsplit("/", 1)[1])
        return _kind(schemas[name]) if "enum" in schemas[name] else name
    if "anyOf" in schema:
        return " or ".join(_kind(each, schemas) for each in schema["anyOf"])
    if values := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return " or ".join(f"`{_inline(each)}`" for each in values)
    found = schema.get("type", "any")
    if isinstance(found, list):
        return str(found[0])
    if found == "array":
        return f"array of {_kind(schema['items'], schemas)}" if "items" in schema else "array"
    if found == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'], schemas)}"
    return str(found)


def _json(value: Any) -> str:
    """As a block of code."""
    return "\n".join(f"    {line}" for line in _laid_out(value, 110).splitlines())


def _laid_out(value: Any, width: int) -> str:
    """In one line where it fits, else each of what it holds in lines of its own."""
    text = _inline(value)
    if len(text) <= width or not isinstance(value, dict | list):
        return text
    named = value.items() if isinstance(value, dict) else ((None, each) for each in value)
    lines = [
        ("" if name is None else f"{_inline(name)}: ") + _laid_out(each, width - 2) for name, each in named
    ]
    inside = ",\n".join("\n".join(f"  {line}" for line in each.splitlines()) for each in lines)
    return f"{{\n{inside}\n}}" if isinstance(value, dict) else f"[\n{inside}\n]"


def _inline(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [_row(each) for each in (head, *rows)]
    return "\n".join((lines[0], "|---" * len(head) + "|", *lines[1:]))


def _row(cells: Iterable[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |".replace("|  |", "| |").replace("|  |", "| |")
