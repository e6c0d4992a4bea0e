"""docs/api.md says of every parameter and every refusal what the code does."""

import ast
import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from contract.formats import FORMATS
from contract.sizes import SIZES
from frontend.actions import ACTIONS, RATE_CLASSES
from frontend.actions.generate_request import GenerateRequest, idempotency_key
from frontend.actions.status import completed_body
from frontend.common.errors import ApiError
from frontend.domain.job import CredentialTexts, Job, WatermarkOptions
from frontend.domain.job_state import Completed
from frontend.jobs.store import max_stored_jobs
from frontend.keys.rates import Rate, RateClass, rates_of
from frontend.review.links import ClientLinks, ClientUrl
from frontend.settings import ROOT, Settings
from tests.frontend.jobs.orders import a_picture, a_verdict

DOCUMENT = (ROOT / "docs" / "api.md").read_text()
WRONG_TYPE = {"string": 5, "integer": "x", "boolean": "x"}

LINKS = ClientLinks(ClientUrl("https://a"), ClientUrl("https://b"))


@dataclass(frozen=True)
class Parameter:
    name: str
    type: str
    default: str
    range: str
    outside: str

    @property
    def bounds(self) -> tuple[int, int] | None:
        found = re.fullmatch(r"(-?\d+) to (-?\d+)", self.range)
        return (int(found[1]), int(found[2])) if found else None

    @property
    def longest(self) -> int | None:
        found = re.fullmatch(r"(?:at most )?(\d+) characters", self.range)
        return int(found[1]) if found else None


def section(title: str) -> str:
    return re.split(r"^## ", DOCUMENT.split(f"## {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of a section's tables."""
    lines = [line for line in text.splitlines() if line.startswith("| `") or re.match(r"\| \d", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def parameters() -> list[Parameter]:
    return [Parameter(name.strip("`"), *cells) for name, *cells, _ in rows(section("generate"))]


def asked(**fields: Any) -> GenerateRequest:
    return GenerateRequest.from_body({"prompt": "a lake", **fields})


def of(*types: str) -> list[Any]:
    return [pytest.param(each, id=each.name) for each in parameters() if each.type in types]


class Recording(dict[str, Any]):
    """A body that remembers which of its fields were looked for."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.names: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.names.add(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self.names.add(str(key))
        return super().__contains__(key)


def test_every_parameter_that_is_read_is_in_the_table_and_no_other() -> None:
    body = Recording({"prompt": "a lake"})
    GenerateRequest.from_body(body)
    idempotency_key(body, None, "owner")
    assert sorted(body.names) == sorted(each.name for each in parameters())


@pytest.mark.parametrize("row", [each for each in of("string", "integer", "boolean") if each.id != "prompt"])
def test_default_of_the_table_changes_nothing(row: Parameter) -> None:
    if row.default.startswith("`"):
        assert asked(**{row.name: json.loads(row.default.strip("`"))}) == asked()
    else:
        assert row.default in ("the model's", "random", "none")


@pytest.mark.parametrize("row", of("string", "integer", "boolean"))
def test_value_of_another_type_is_refused_as_the_table_says(row: Parameter) -> None:
    body = {"prompt": "a lake", row.name: WRONG_TYPE[row.type]}
    with pytest.raises(ApiError, match=f"Invalid {row.name}: expected {row.type}") as refused:
        _ = GenerateRequest.from_body(body), idempotency_key(body, None, "owner")
    assert refused.value.status == 400


@pytest.mark.parametrize("row", [each for each in of("integer") if each.values[0].bounds])
def test_number_out_of_the_table_s_range_is_clamped_or_refused(row: Parameter) -> None:
    assert row.bounds
    for edge, beyond in zip(row.bounds, (row.bounds[0] - 1, row.bounds[1] + 1), strict=True):
        at_the_edge = asked(**{row.name: edge})
        if row.outside == "clamped":
            assert asked(**{row.name: beyond}) == at_the_edge
        else:
            assert row.outside == "400"
            with pytest.raises(ApiError, match=f"expected integer {row.range}"):
                asked(**{row.name: beyond})
    assert asked(**{row.name: row.bounds[0]}) != asked(**{row.name: row.bounds[1]})


@pytest.mark.parametrize("row", [each for each in of("string") if each.values[0].longest])
def test_text_longer_than_the_table_says_is_refused_or_cut(row: Parameter) -> None:
    assert row.longest
    longest = asked(**{row.name: "a" * row.longest})
    if row.outside == "400":
        with pytest.raises(ApiError, match=f"Invalid {row.name}: expected string of {row.range}"):
            asked(**{row.name: "a" * (row.longest + 1)})
    else:
        assert asked(**{row.name: "a" * (row.longest + 1)}) == longest


def test_sizes_and_formats_are_those_of_the_code() -> None:
    sizes = re.search(r"^- \*\*Sizes\*\*: (.*)\.$", section("generate"), re.MULTILINE)
    assert sizes and sizes[1].split(", ") == [f"{width}x{height}" for width, height in SIZES]
    (formats,) = (each.range for each in parameters() if each.name == "format")
    assert formats == ", ".join(f"`{name}`" for name in FORMATS)


def test_every_action_has_its_section() -> None:
    assert set(ACTIONS) <= set(re.findall(r"^## (.*)$", DOCUMENT, re.MULTILINE))


def test_limits_are_the_default_ones() -> None:
    settings, told = Settings(), {}
    for action, _, rate, burst in rows(section("Limits")):
        count, unit = rate.split(" a ")
        told[action.strip("`")] = Rate(int(count) / {"second": 1, "minute": 60}[unit], int(burst))
    rates = rates_of(settings)
    assert told == {name: rates[of] for name, of in RATE_CLASSES.items()}
    assert rates[RateClass.REQUESTS].per_s == 2 * rates[RateClass.POLLS].per_s
    counts = settings.key_jobs_limit, max_stored_jobs(settings)
    assert "It may have {} unfinished jobs ({}) and {:,} stored ones".format(
        counts[0], "`IMGEN_KEY_JOBS_LIMIT`", counts[1]
    ) in " ".join(section("Limits").split())


def test_every_field_of_meta_is_told() -> None:
    mark = WatermarkOptions(position="", scale=1, transparency=1, rotation=0, padding_x=0, padding_y=0)
    texts = CredentialTexts(author="", title="", description="", organization="", vendor="")
    words: dict[str, Any] = dict.fromkeys(
        (
            *("id", "gen_id", "owner", "time", "prompt", "positive", "negative", "drawn", "character"),
            "model",
            *("style", "format", "compliance_ruleset", "precompliance"),
        ),
        "",
    )
    numbers: dict[str, Any] = dict.fromkeys(("width", "height", "steps", "guidance", "seed", "quality"), 1)
    flags: dict[str, Any] = dict.fromkeys(("lossless", "optimized"), False)
    job = Job(**words, **numbers, **flags, watermark=mark, texts=texts)
    told = {name for fields, *_ in rows(section("status")) for name in re.findall(r"`(\w+)`", fields)}
    assert set(completed_body(Completed(job, a_picture(), a_verdict()), LINKS)["meta"]) <= told


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
            return "".join(in_words(part) if isinstance(part, ast.Constant) else "[A-Z]+" for part in parts)
    return ""


@pytest.mark.parametrize(("status", "words"), refusals())
def test_every_refusal_is_in_the_table_of_errors(status: int, words: str) -> None:
    assert any(
        cells[0] == str(status) and re.fullmatch(f"`{words}`", cells[1]) for cells in rows(section("Errors"))
    )
