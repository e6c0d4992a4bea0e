"""Requests and answers as JSON Schema (2020-12), from the types that read and write them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import NODEFAULT, inspect

from frontend.http.request_reader import RequestField, fields_of

Schema = dict[str, Any]
REF = "#/components/schemas/{name}"


def request_schema(kind: type[msgspec.Struct]) -> Schema:
    """What is accepted, fallbacks included: more than the type allows. Unknown fields are ignored, unless the
    type forbids them."""
    fields, action = fields_of(kind), _action(kind)
    told = {name: {"type": "string", "const": value, "description": "What to do"} for name, value in action}
    closed = {"additionalProperties": False} if kind.__struct_config__.forbid_unknown_fields else {}
    return {
        **closed,
        "title": kind.__name__,
        "description": sentence(kind),
        "type": "object",
        "properties": {**told, **{each.name: field_schema(each) for each in fields}},
        "required": [*told, *(each.name for each in fields if each.required)],
        "examples": [request_example(kind, tuple(each.name for each in fields if each.required))],
    }


def field_schema(each: RequestField) -> Schema:
    """A field that need not be sent may be null, too.

    Its default is told in words: generators of clients make a field that has one in the schema required, or
    send it always.
    """
    own = msgspec.json.schema(each.type)
    dropped = each.lenience.drops if each.lenience else frozenset()
    schema = {name: value for name, value in own.items() if name not in dropped}
    if "pattern" in schema:
        schema["pattern"] = _ecma(schema["pattern"])
    default = "" if each.required else f". Default: {default_of(each)}"
    schema["description"] = f"{own['description']}{_bounds(each)}{default}"
    if not each.required and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    return schema


def default_of(each: RequestField) -> str:
    """In words, or as JSON."""
    return each.words.default or f"`{json.dumps(each.default, ensure_ascii=False)}`"


def _bounds(each: RequestField) -> str:
    """What the schema itself does not say of its values."""
    if each.lenience is None:
        return f": {each.words.range}" if each.words.range else ""
    within = range_of(each)
    return f": {within}{'; ' if within else ''}otherwise {each.lenience.outside}"


def range_of(each: RequestField) -> str:
    if each.words.range:
        return each.words.range
    own = msgspec.json.schema(each.type)
    if "enum" in own:
        return ", ".join(f"`{one}`" for one in own["enum"])
    if "minimum" in own:
        return f"{own['minimum']} to {own['maximum']}"
    return f"at most {own['maxLength']:,} characters" if "maxLength" in own else ""


def answer_schemas(kinds: Iterable[type[msgspec.Struct]]) -> dict[str, Schema]:
    """By name, with what they hold. A field is missing only where its type says so (UNSET)."""
    kinds = tuple(dict.fromkeys(kinds))
    _, found = msgspec.json.schema_components(kinds, ref_template=REF)
    always = {each.__name__: _always(each) for each in structs_in(kinds)}
    return {name: _strict(schema, always.get(name, [])) for name, schema in found.items()}


def _always(kind: type[msgspec.Struct]) -> list[str]:
    return [each.encode_name for each in struct_fields(kind) if not _may_be_missing(each)]


def _may_be_missing(each: inspect.Field) -> bool:
    """UNSET is a default that msgspec does not tell."""
    return not each.required and each.default is NODEFAULT and each.default_factory is NODEFAULT


def _strict(schema: Schema, always: list[str]) -> Schema:
    if "properties" not in schema:  # names to choose from
        return {"type": "string", **schema}
    return schema | {
        "required": always,
        "properties": {name: _constant(each) for name, each in schema["properties"].items()},
    }


def _constant(schema: Schema) -> Schema:
    """A field that always says the same has no default: it is there."""
    told = {name: value for name, value in schema.items() if name != "default"}
    if "enum" not in told:
        return told
    kind = "string" if isinstance(told["enum"][0], str) else "integer"
    if len(told["enum"]) == 1:
        (told["const"],) = told.pop("enum")
    return {"type": kind, **told}


def struct_fields(kind: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return info.fields


def structs_in(kinds: Iterable[type[msgspec.Struct]]) -> list[type[msgspec.Struct]]:
    """These, and those that they hold, each once."""
    found: dict[type[msgspec.Struct], None] = {}

    def look(info: inspect.Type) -> None:
        match info:
            case inspect.StructType(cls=cls):
                if cls in found:
                    return
                found[cls] = None
                for one in info.fields:
                    look(one.type)
            case inspect.Metadata(type=inner):
                look(inner)
            case inspect.UnionType(types=types):
                for each in types:
                    look(each)
            case inspect.VarTupleType(item_type=item) | inspect.CollectionType(item_type=item):
                look(item)
            case inspect.DictType(value_type=value):
                look(value)

    for kind in kinds:
        look(inspect.type_info(kind))
    return list(found)


def request_example(kind: type[msgspec.Struct], shown: Iterable[str]) -> Schema:
    examples = {each.name: msgspec.json.schema(each.type)["examples"][0] for each in fields_of(kind)}
    return {**dict(_action(kind)), **{name: examples[name] for name in shown}}


def _action(kind: type[msgspec.Struct]) -> list[tuple[str, str]]:
    """Which field names the action, and how; nothing for the body of another route."""
    config = kind.__struct_config__
    return [(config.tag_field, str(config.tag))] if config.tag_field else []


def answer_example(kind: type[msgspec.Struct], schemas: Mapping[str, Schema]) -> Schema:
    """All that is never missing. `schemas`: as answer_schemas gives them."""
    schema = schemas[kind.__name__]
    return {name: _example(schema["properties"][name], schemas) for name in schema["required"]}


def _example(schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    for each in (schema, *schema.get("anyOf", ())):
        if "$ref" in each:
            held = schemas[each["$ref"].rsplit("/", 1)[1]]
            return {name: _example(held["properties"][name], schemas) for name in held["required"]}
    return None


def sentence(kind: type[msgspec.Struct]) -> str:
    """What a type's docstring says, in one line."""
    return " ".join((kind.__doc__ or "").split())


def _ecma(pattern: str) -> str:
    """Python's pattern as JSON Schema writes it."""
    return pattern.replace(r"\Z", "$")
