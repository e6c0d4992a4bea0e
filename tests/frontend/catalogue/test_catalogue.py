from collections.abc import Callable
from pathlib import Path

import pytest

from contract.acs import Depicts
from frontend.catalogue.catalogue import Catalogue, load
from frontend.common.errors import CatalogueError

DEMO = Path(__file__).parents[3] / "demo" / "catalogue"

MODEL = """\
label: Eros
default_style: plain
steps: 8
guidance: 3
styles:
  plain: {label: Plain}
  neon: {label: Neon, positive: neon night, negative: daylight}
"""
CHARACTER = """\
label: Aya
models: [eros]
trigger: drawing of aya
lora: ../loras/aya.safetensors
rights: fictional
"""

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def writer(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    writer("models/eros.yaml", MODEL)
    writer("characters/aya.yaml", CHARACTER)
    return writer


def test_demo_catalogue_has_the_documented_names() -> None:
    catalogue = load(DEMO)
    assert set(catalogue.characters) >= {"aya", "bella", "mira", "tomo"}
    assert catalogue.default_model.name == "eros"
    assert catalogue.default_model.default_style == "professional"
    assert {"professional", "boudoir"} < set(catalogue.default_model.styles)
    assert len(catalogue.default_model.styles) >= 6
    assert all(each.rights == "fictional" for each in catalogue.characters.values())


def test_models_response_has_the_documented_shape(tmp_path: Path, write: Write) -> None:
    write("characters/zoe.yaml", CHARACTER)
    write("models/alto.yaml", MODEL.replace("label: Eros", "label: Alto\norder: 7"))
    assert load(tmp_path).response == {
        "characters": ["aya", "zoe"],
        "models": {
            name: {
                "label": label,
                "default_style": "plain",
                "styles": {"plain": {"label": "Plain"}, "neon": {"label": "Neon"}},
            }
            for name, label in (("alto", "Alto"), ("eros", "Eros"))
        },
    }


def test_lowest_order_is_the_default_model(tmp_path: Path, write: Write) -> None:
    write("models/alto.yaml", MODEL)
    write("models/zeta.yaml", MODEL + "order: 1\n")
    catalogue = load(tmp_path)
    assert list(catalogue.models) == ["zeta", "alto", "eros"]
    assert catalogue.default_model.name == "zeta"


@pytest.mark.parametrize("name", ["nope", "", None, 7, ["eros"], {"a": 1}])
def test_unknown_model_and_style_fall_back(tmp_path: Path, write: Write, name: object) -> None:
    model = load(tmp_path).model(name)
    assert model.name == "eros"
    assert model.style(name).name == "plain"
    assert model.style("neon").name == "neon"


def test_characters_belong_to_their_models_only(tmp_path: Path, write: Write) -> None:
    write("models/alto.yaml", MODEL)
    write("characters/zoe.yaml", CHARACTER.replace("[eros]", "[alto, eros]"))
    catalogue = load(tmp_path)
    assert list(catalogue.characters_of("eros")) == ["aya", "zoe"]
    assert list(catalogue.characters_of("alto")) == ["zoe"]
    assert catalogue.characters_of("nope") == {}


def test_catalogue_cannot_be_changed(tmp_path: Path, write: Write) -> None:
    catalogue = load(tmp_path)
    with pytest.raises(TypeError):
        catalogue.models["x"] = catalogue.default_model  # type: ignore[index]
    with pytest.raises(AttributeError):
        catalogue.default_model.steps = 9  # type: ignore[misc]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("models/eros.yaml", MODEL.replace("steps: 8", "steps: many"), "steps: expected `int`, got `str`"),
        ("models/eros.yaml", MODEL.replace("steps: 8", "steps: 0"), "steps: expected `int` >= 1"),
        ("models/eros.yaml", MODEL.replace("steps: 8", "steps: 101"), "steps: expected `int` <= 100"),
        ("models/eros.yaml", MODEL.replace("steps: 8\n", ""), "required field `steps`"),
        ("models/eros.yaml", MODEL + "stepz: 9\n", "unknown field `stepz`"),
        ("models/eros.yaml", MODEL + "name: eros\n", "name: expected no such key"),
        ("models/eros.yaml", MODEL + "label: Again\n", "a key stands twice"),
        (
            "models/eros.yaml",
            MODEL.replace("style: plain", "style: nope"),
            "default_style: expected one of neon, plain, got 'nope'",
        ),
        (
            "models/eros.yaml",
            MODEL.replace("Neon, ", "Neon, shine: 3, "),
            "styles.neon: object contains unknown",
        ),
        ("models/eros.yaml", MODEL.replace("neon night", "[a, b]"), "styles.neon: positive: expected `str`"),
        ("models/eros.yaml", MODEL.replace("neon night", r'"\uD83D"'), "styles.neon: expected valid Unicode"),
        ("models/eros.yaml", MODEL.replace("  neon:", "  Neon Night:"), "styles: expected a name of"),
        ("models/eros.yaml", MODEL.replace("  neon:", "  on:"), "styles: expected a name of"),
        ("models/eros.yaml", MODEL.replace("{label: Plain}", "plain"), "styles.plain: expected label"),
        ("models/eros.yaml", MODEL.split("styles:")[0], "styles: expected a mapping"),
        ("models/eros.yaml", "- a\n", "expected a mapping"),
        ("models/eros.yaml", "a: [\n", "expected YAML"),
        ("models/eros.yaml", "a: &x b\nc: *x\n", "aliases are not supported"),
        ("models/eros.yaml", "[" * 5_000, "expected YAML"),
        ("models/eros.yaml", "a: !!python/object/apply:os.getcwd []\n", "expected YAML"),
        ("models/eros.yaml", "#" * 300_000, "expected at most 262144 bytes"),
        ("models/Big Model.yaml", MODEL, "expected a name of"),
        ("characters/aya.yaml", CHARACTER.replace("rights: fictional\n", ""), "required field `rights`"),
        (
            "characters/aya.yaml",
            CHARACTER.replace("fictional", "yes, really"),
            "rights: expected `str` matching",
        ),
        (
            "characters/aya.yaml",
            CHARACTER.replace("fictional", "'consent:'"),
            "rights: expected `str` matching",
        ),
        ("characters/aya.yaml", f"{CHARACTER}depicts: someone\n", "depicts: invalid enum value 'someone'"),
        ("characters/aya.yaml", f"{CHARACTER}depicts: ''\n", "depicts: invalid enum value ''"),
        ("models/eros.yaml", f"{MODEL}exclusion: without\n", "unknown field `exclusion`"),
        ("characters/aya.yaml", CHARACTER.replace("[eros]", "[nope]"), "models: expected some of eros"),
        ("characters/aya.yaml", CHARACTER.replace("[eros]", "[]"), "models: expected `array` of length >= 1"),
    ],
)
def test_mistake_names_file_key_and_what_was_expected(
    tmp_path: Path, write: Write, file: str, text: str, said: str
) -> None:
    write(file, text)
    with pytest.raises(CatalogueError) as mistake:
        load(tmp_path)
    assert str(tmp_path / file) in str(mistake.value)
    assert said in str(mistake.value)
    assert "\n" not in str(mistake.value)


def test_consent_with_a_reference_is_a_right(tmp_path: Path, write: Write) -> None:
    write("characters/aya.yaml", CHARACTER.replace("fictional", "consent:2025-014"))
    assert load(tmp_path).characters["aya"].rights == "consent:2025-014"


def test_characters_that_nobody_recorded_are_named_in_one_line(tmp_path: Path, write: Write) -> None:
    write("characters/bella.yaml", f"{CHARACTER}depicts: adult\n")
    write("characters/zoe.yaml", f"{CHARACTER}depicts:\n")
    catalogue = load(tmp_path)
    assert [each.depicts for each in catalogue.characters.values()] == [None, "adult", None]
    assert ": @aya, @zoe; `imgen character set NAME --depicts adult|child|nonhuman`" in catalogue.warning
    for number in range(100):
        write(f"characters/c{number}.yaml", CHARACTER)
    assert "and 82 more; " in load(tmp_path).warning
    assert len(load(tmp_path).warning) < 500 and "\n" not in catalogue.warning
    assert load(DEMO).warning == ""


def test_folder_without_models_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="expected at least one model"):
        load(tmp_path)


def test_catalogue_of_models_only_has_no_characters(tmp_path: Path, write: Write) -> None:
    (tmp_path / "characters" / "aya.yaml").unlink()
    catalogue: Catalogue = load(tmp_path)
    assert catalogue.response["characters"] == []


@pytest.mark.parametrize(
    ("before", "now", "judged_by"),
    [
        ("adult", "adult", "adult"),
        ("adult", "child", "child"),
        ("child", "adult", "child"),
        ("adult", "", ""),
        ("", "nonhuman", ""),
        ("adult", "nonhuman", ""),
    ],
)
def test_record_that_was_corrected_counts_where_it_is_the_stricter(
    tmp_path: Path, write: Write, before: Depicts, now: Depicts, judged_by: Depicts
) -> None:
    write("models/eros.yaml", MODEL)
    write("characters/aya.yaml", CHARACTER + (f"depicts: {now}\n" if now else ""))
    catalogue = load(tmp_path)
    assert catalogue.depicts("aya", before) == judged_by
    assert catalogue.depicts("gone", before) == before
