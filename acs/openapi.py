"""The contract as an OpenAPI 3.1 document. Schemas come from the types that the service itself uses."""

from typing import Any

import msgspec

from contract.acs import REVIEWS_PATH, RULESETS_PATH, Review, ReviewRequest

_ANSWERS = {
    "400": "The body is not JSON: no verdict",
    "401": "Not the key that this reviewer demands, if it does: no verdict",
    "413": "The body is too large: no verdict",
    "422": "Unknown ruleset, wrong field, image_url not allowed, or no decodable picture: no verdict",
    "502": "The picture could not be fetched: no verdict",
    "503": "Too many reviews at the same time: no verdict, ask again",
    "500": "The review failed: no verdict",
}


def document() -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(
        (ReviewRequest, Review), ref_template="#/components/schemas/{name}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ACS reviewer",
            "version": "1",
            "description": "Judges one picture and its prompt by a ruleset. Only a 200 is a verdict.",
        },
        "paths": {
            REVIEWS_PATH: {"post": _review()},
            RULESETS_PATH: _get("Rulesets, with their categories"),
            "/healthz": _get("The process answers"),
            "/readyz": _get("The detector is loaded"),
        },
        "components": {"schemas": {**schemas, "Error": _ERROR}},
    }


_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}


def _review() -> dict[str, Any]:
    refusals = {status: _answer(text, "Error") for status, text in _ANSWERS.items()}
    return {
        "summary": "Review one picture",
        "requestBody": {"required": True, "content": _content("ReviewRequest")},
        "responses": {"200": _answer("The verdict", "Review"), **refusals},
    }


def _get(summary: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {"get": {"summary": summary, "responses": {"200": {"description": summary, "content": content}}}}


def _answer(text: str, schema: str) -> dict[str, Any]:
    return {"description": text, "content": _content(schema)}


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
