"""The OpenAPI document as one HTML page that loads nothing."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;"
    "margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%}td,th{text-align:left;"
    "vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #8885}code{font-size:.9em}"
)


def render(document: Mapping[str, Any]) -> str:
    info = document["info"]
    body = "".join([*_paths(document["paths"]), *_schemas(document["components"]["schemas"])])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><h1>{escape(info['title'])}</h1><p>{escape(info['description'])}</p>{body}</body></html>"
    )


def _paths(paths: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(operation['summary'])}</p>"
            if "requestBody" in operation:
                yield f"<p>Body: {_kind(_schema_of(operation['requestBody']))}</p>"
            rows = ((status, _answer(answer)) for status, answer in operation["responses"].items())
            yield _table(("Status", "Answer"), rows)


def _answer(answer: Mapping[str, Any]) -> str:
    return f"{escape(answer['description'])} ({_kind(_schema_of(answer))})"


def _schema_of(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = holder["content"]["application/json"]["schema"]
    return schema


def _schemas(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield f'<h2 id="{escape(name)}">{escape(name)}</h2><p>{escape(schema.get("description", ""))}</p>'
        rows = ((field, _field(item)) for field, item in schema.get("properties", {}).items())
        yield _table(("Field", "Value"), rows)


def _field(schema: Mapping[str, Any]) -> str:
    limits = {"maxLength": "at most {} characters", "pattern": "pattern {}"}
    facts = [escape(text.format(schema[key])) for key, text in limits.items() if key in schema]
    return ". ".join(
        filter(None, [", ".join([_kind(schema), *facts]), escape(schema.get("description", ""))])
    )


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#{name}">{name}</a>'
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return escape(str(schema.get("type", "any")))


def _table(head: tuple[str, str], rows: Iterator[tuple[str, str]]) -> str:
    lines = (f"<tr><td><code>{escape(name)}</code></td><td>{text}</td></tr>" for name, text in rows)
    return f"<table><tr><th>{head[0]}</th><th>{head[1]}</th></tr>{''.join(lines)}</table>"
