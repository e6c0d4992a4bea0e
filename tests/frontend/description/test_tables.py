"""What the tables say of every field and every refusal is what the server does."""

import ast
import json
import re
from typing import Any

import msgspec
import pytest

from frontend.actions import ACTIONS
from frontend.actions.generate_request import GenerateRequest, read_generate
from frontend.common.errors import ApiError
from frontend.description.errors import ERRORS, GAPS
from frontend.description.schemas import default_of, field_schema, request_example
from frontend.http.request_reader import RequestField, fields_of
from frontend.jobs.store import max_stored_jobs
from frontend.keys.rates import RateClass, rates_of
from frontend.keys.token_stock import Rate
from frontend.settings import ROOT, Settings

DOCUMENT = (ROOT / "docs" / "api.md").read_text()
WRONG_TYPE = {"string": 5, "integer": "x", "boolean": "x"}
FIELDS = [
    pytest.param(name, each, id=f"{name}.{each.name}")
    for name, action in ACTIONS.items()
    for each in fields_of(action.asks)
]
ORDERED = [pytest.param(each, id=each.name) for each in fields_of(GenerateRequest)]


def kind_of(each: RequestField) -> str:
    kind = field_schema(each).get("type", "any")
    return str(kind[0] if isinstance(kind, list) else kind)


def asked(**fields: Any) -> GenerateRequest:
    return read_generate({"prompt": "a lake", **fields})


def needed(name: str) -> dict[str, Any]:
    """A request with what must be there, and no more."""
    kind = ACTIONS[name].asks
    return request_example(kind, [each.name for each in fields_of(kind) if each.required])


@pytest.mark.parametrize(("action", "each"), FIELDS)
def test_field_has_a_sentence_an_example_and_a_default(action: str, each: RequestField) -> None:
    told = msgspec.json.schema(each.type)
    assert told["description"][0].isupper() or told["description"][0] in "-`@"
    assert ACTIONS[action].read({**needed(action), each.name: told["examples"][0]})
    assert each.required or each.words.default or each.default is not None


@pytest.mark.parametrize(("action", "each"), FIELDS)
def test_default_that_is_told_changes_nothing(action: str, each: RequestField) -> None:
    if not each.required and not each.words.default:
        read, sent = ACTIONS[action].read, json.loads(default_of(each).strip("`"))
        assert read({**needed(action), each.name: sent}) == read(needed(action))


@pytest.mark.parametrize(("action", "each"), FIELDS)
def test_value_of_another_type_is_refused(action: str, each: RequestField) -> None:
    if (kind := kind_of(each)) == "any":
        return
    with pytest.raises(ApiError) as refused:
        ACTIONS[action].read({**needed(action), each.name: WRONG_TYPE[kind]})
    assert refused.value.status == 400
    assert refused.value.message in (f"Invalid {each.name}: expected {each.expected()}", each.words.wrong)
    assert each.expected().startswith(kind)


@pytest.mark.parametrize("each", ORDERED)
def test_number_out_of_range_is_clamped_or_refused_as_told(each: RequestField) -> None:
    own = msgspec.json.schema(each.type)
    if "minimum" not in own:
        return
    assert asked(**{each.name: own["minimum"]}) != asked(**{each.name: own["maximum"]})
    for edge, beyond in ((own["minimum"], own["minimum"] - 1), (own["maximum"], own["maximum"] + 1)):
        if each.lenience:
            assert each.lenience.outside == "clamped"
            assert asked(**{each.name: beyond}) == asked(**{each.name: edge})
            assert "minimum" not in field_schema(each)
        else:
            assert asked(**{each.name: edge})
            with pytest.raises(ApiError, match=f"expected integer {own['minimum']} to {own['maximum']}"):
                asked(**{each.name: beyond})


@pytest.mark.parametrize("each", ORDERED)
def test_text_longer_than_told_is_refused_or_cut(each: RequestField) -> None:
    most = msgspec.json.schema(each.type).get("maxLength")
    if most is None or each.name == "prompt":
        return
    assert asked(**{each.name: "a" * most})
    if "maxLength" in field_schema(each):
        with pytest.raises(ApiError, match=f"expected string of at most {most} characters"):
            asked(**{each.name: "a" * (most + 1)})
    else:
        assert asked(**{each.name: "a" * (most + 1)}) == asked(**{each.name: "a" * most})


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"width": 1024, "height": 1000}, {"size": (1344, 768)}),
        ({"width": 1024.0, "height": 1024}, {"size": (1024, 1024)}),
        ({"format": " WebP "}, {"format": "webp"}),
        ({"format": "tiff"}, {"format": "jpeg"}),
        ({"wm_position": "TL"}, {"wm_position": "top-left"}),
        ({"wm_position": "nowhere"}, {"wm_position": "bottom-right"}),
        ({"compliance_ruleset": " "}, {"compliance_ruleset": "default"}),
        ({"quality": 1e300}, {"quality": 100}),
        ({"seed": -1}, {"fixed_seed": None}),
        ({"model": [1]}, {"model": [1]}),
        ({"style": None, "quality": None}, {"style": "", "quality": 95}),
        ({"unknown": 5}, {}),
    ],
)
def test_what_is_lenient_is_taken(sent: dict[str, Any], read: dict[str, Any]) -> None:
    found = asked(**sent)
    assert {name: getattr(found, name) for name in read} == read


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({}, "Prompt is required"),
        ({"prompt": None}, "Prompt is required"),
        ({"prompt": 5}, "Invalid prompt: expected string"),
        ({"prompt": "x", "quality": True}, "Invalid quality: expected integer 1 to 100"),
        ({"prompt": "x", "quality": 1.5}, "Invalid quality: expected integer 1 to 100"),
        ({"prompt": "x", "seed": 2**63}, f"Invalid seed: expected integer -1 to {2**63 - 1}"),
        ({"prompt": "x", "idempotency_key": ""}, "expected string of 1 to 255 printable characters"),
        ({"prompt": "x", "idempotency_key": "a\n"}, "expected string of 1 to 255 printable characters"),
        ({"prompt": "x", "seed": "x", "style": 5}, "Invalid style: expected string"),
    ],
)
def test_what_is_refused_is_named(sent: dict[str, Any], words: str) -> None:
    with pytest.raises(ApiError, match=re.escape(words)):
        read_generate(sent)


def test_limits_are_the_default_ones() -> None:
    settings, told = Settings(), {}
    limits = DOCUMENT.split("## Limits\n", 1)[1].split("\n## ", 1)[0]
    for action, rate, burst in re.findall(r"^\| `(\w+)` \| `\w+` \| ([^|]+) \| (\d+) \|$", limits, re.M):
        count, unit = rate.split(" a ")
        told[action] = Rate(int(count) / {"second": 1, "minute": 60}[unit], int(burst))
    rates = rates_of(settings)
    assert told == {name: rates[each.rate] for name, each in ACTIONS.items() if each.rate}
    assert rates[RateClass.REQUESTS].per_s == 2 * rates[RateClass.POLLS].per_s
    counts = settings.key_jobs_limit, max_stored_jobs(settings)
    assert "It may have {} unfinished jobs ({}) and {:,} stored ones".format(
        counts[0], "`IMGEN_KEY_JOBS_LIMIT`", counts[1]
    ) in " ".join(limits.split())


def refusals() -> list[tuple[int, str]]:
    """Status and words, as a pattern, of every ApiError that the code spells out."""
    found = []
    for path in (ROOT / "frontend").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Name(id="ApiError"),
                    args=[ast.Constant(value=int(status)), ast.expr() as words, *_],
                ) if pattern := in_words(words):
                    found.append((status, pattern))
    return sorted(set(found))


def in_words(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.JoinedStr(values=parts):
            gap = f"(?:{'|'.join(GAPS)})"
            return "".join(in_words(part) if isinstance(part, ast.Constant) else gap for part in parts)
    return ""


@pytest.mark.parametrize(("status", "words"), refusals())
def test_every_refusal_is_in_the_table_of_errors(status: int, words: str) -> None:
    assert any(row.status == status and re.fullmatch(words, row.words) for row in ERRORS)


def test_every_row_of_errors_is_a_refusal_of_the_code() -> None:
    paths = (path for path in (ROOT / "frontend").rglob("*.py") if path.parent.name != "description")
    code = "\n".join(path.read_text() for path in paths)
    for row in ERRORS:
        assert re.split("|".join(GAPS), row.words)[0].rstrip(": ") in code, row
