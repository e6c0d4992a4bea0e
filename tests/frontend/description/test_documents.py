"""The documents agree with the types, and with one another."""

import json
import re
from typing import Any

import msgspec
import pytest
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import validate

from frontend.actions import ACTIONS
from frontend.description.__main__ import DOCUMENT, written
from frontend.description.markdown import page_for_models
from frontend.description.openapi import openapi
from frontend.description.schemas import answer_example, answer_schemas, structs_in
from frontend.http.request_reader import fields_of
from frontend.routes import OPERATORS_ROUTES, ROUTES

EVERYTHING = (*ROUTES, *OPERATORS_ROUTES)
KINDS = list(dict.fromkeys(answer.body for route in EVERYTHING for answer in route.answers if answer.body))
PUBLISHED = {
    "models": "",
    "generate": "prompt model negative optimize use_cache cache_only cache_force cache_pick width height "
    "style format quality lossless compliance_ruleset precompliance wm_image wm_position wm_scale "
    "wm_transparency wm_rotation wm_padding_x wm_padding_y cs_author cs_title cs_description "
    "cs_organization cs_vendor",
    "status": "id prompt model",
    "optimize": "prompt model",
    "random": "character",
}
DESCRIPTION = openapi(EVERYTHING)
SCHEMAS = DESCRIPTION["components"]["schemas"]


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}})


def test_document_in_docs_is_current() -> None:
    assert DOCUMENT.read_text() == written(), "run `python -m frontend.description`"


def test_description_is_valid_openapi() -> None:
    validate(DESCRIPTION)


def test_every_name_that_is_referred_to_is_there() -> None:
    names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(DESCRIPTION)))
    assert names and names <= set(SCHEMAS)


@pytest.mark.parametrize("kind", structs_in(KINDS))
def test_field_of_an_answer_has_a_sentence_and_an_example(kind: type[msgspec.Struct]) -> None:
    for name, each in answer_schemas([kind])[kind.__name__]["properties"].items():
        held = "$ref" in json.dumps(each)
        assert held or (each["description"] and each["examples"]), name


@pytest.mark.parametrize("kind", KINDS)
def test_example_of_an_answer_is_one(kind: type[msgspec.Struct]) -> None:
    example = answer_example(kind, answer_schemas([kind]))
    validator(kind.__name__).validate(example)
    assert json.loads(msgspec.json.encode(msgspec.convert(example, kind))) == example


def test_examples_of_requests_are_read_and_valid() -> None:
    body = DESCRIPTION["paths"]["/api/v2"]["post"]["requestBody"]["content"]["application/json"]
    assert set(body["examples"]) == set(ACTIONS) == set(body["schema"]["discriminator"]["mapping"])
    for name, example in body["examples"].items():
        validator(ACTIONS[name].asks.__name__).validate(example["value"])
        assert ACTIONS[name].read(example["value"])


def test_extensions_are_what_the_published_documentation_does_not_know() -> None:
    assert {name for name, action in ACTIONS.items() if not action.extension} == set(PUBLISHED)
    for name, fields in PUBLISHED.items():
        schema = SCHEMAS[ACTIONS[name].asks.__name__]["properties"]
        known = {field for field, each in schema.items() if not each.get("x-extension")}
        assert known == {"action", *fields.split()}, name


def test_page_for_models_is_whole() -> None:
    page = page_for_models(EVERYTHING)
    assert page.startswith("# ") and "\n> " in page  # as /llms.txt begins
    assert "{{" not in page
    assert not re.findall(r"\]\((?!https?:|#)", page), "links that no server has"
    for name, action in ACTIONS.items():
        part = page.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]
        for each in fields_of(action.asks):
            assert f"| `{each.name}` |" in part, (name, each.name)
        for kind in structs_in(action.answers):
            for field in kind.__struct_encode_fields__:
                assert f"`{field}`" in part or f'"{field}"' in part, (name, kind, field)


def code(language: str) -> str:
    """The program in the page."""
    found: Any = re.search(rf"^```{language}\n(.*?)^```$", page_for_models(ROUTES), re.M | re.S)
    return str(found[1])


def test_requests_in_the_shell_program_are_read() -> None:
    sent = [json.loads(body) for body in re.findall(r"'(\{.*\})'", code("sh"))]
    assert [ACTIONS[body["action"]].read(body) for body in sent] and len(sent) == 3
