from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from contract.acs import Depicts
from frontend.catalogue.catalogue import Catalogue, Lacking, StepSettings, load
from frontend.catalogue.recipe import recipe
from frontend.common.errors import ApiError, CatalogueError

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


def styled(keys: str, adapters: str = "bank") -> str:
    """With a style `ink` of these keys."""
    return f"{MODEL}  ink: {{label: Ink, {keys}}}\nadapters: {adapters}\n"


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
    assert msgspec.to_builtins(load(tmp_path).response) == {
        "characters": ("aya", "zoe"),
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
        ("models/eros.yaml", f"{MODEL}adapters: both\n", "adapters: invalid enum value 'both'"),
        (
            "models/eros.yaml",
            styled("lora: ink.safetensors", "merged"),
            "styles.ink: lora: expected none, as the model has no bank: `imgen export CHECKPOINT --name eros "
            "--adapters 16x16` makes one, and `adapters: bank` in this file says so",
        ),
        ("models/eros.yaml", styled("lora: ''"), "styles.ink: lora: expected `str` of length >= 1"),
        ("models/eros.yaml", styled("lora: 7"), "styles.ink: lora: expected `str | null`, got `int`"),
        ("models/eros.yaml", styled("strength: 0.5"), "styles.ink: strength: expected beside a lora"),
        ("models/eros.yaml", styled("lora: a, strength: 0"), "and another one than 0"),
        ("models/eros.yaml", styled("lora: a, strength: 99"), "styles.ink: strength: expected `float` <= "),
        ("models/eros.yaml", styled("lora: a, strength: .nan"), "styles.ink: strength: "),
        ("models/eros.yaml", "- a\n", "expected a mapping"),
        ("models/eros.yaml", "a: [\n", "expected YAML"),
        ("models/eros.yaml", "a: &x b\nc: *x\n", "aliases are not supported"),
        ("models/eros.yaml", "[" * 5_000, "expected YAML"),
        ("models/eros.yaml", "a: !!python/object/apply:os.getcwd []\n", "expected YAML"),
        ("models/eros.yaml", "#" * 300_000, "expected at most 262144 bytes"),
        ("models/Big Model.yaml", MODEL, "expected a name of"),
        ("characters/aya.yaml", CHARACTER.replace("rights: fictional\n", ""), "rights: expected fictional,"),
        (
            "characters/aya.yaml",
            CHARACTER.replace("fictional", "yes, really"),
            "where REFERENCE leads to the written consent, got 'yes, really'",
        ),
        (
            "characters/aya.yaml",
            CHARACTER.replace("fictional", "'consent:'"),
            "rights: expected fictional, or",
        ),
        ("characters/aya.yaml", CHARACTER.replace("fictional", "7"), "rights: expected fictional, or"),
        ("characters/aya.yaml", f"{CHARACTER}depicts: someone\n", "depicts: invalid enum value 'someone'"),
        ("characters/aya.yaml", f"{CHARACTER}depicts: ''\n", "depicts: invalid enum value ''"),
        ("models/eros.yaml", f"{MODEL}exclusion: without\n", "unknown field `exclusion`"),
        (
            "characters/aya.yaml",
            CHARACTER.replace("[eros]", "[nope]"),
            "expected some of alto, eros, got 'nope'",
        ),
        ("characters/aya.yaml", CHARACTER.replace("[eros]", "[]"), "models: expected `array` of length >= 1"),
    ],
)
def test_mistake_names_file_key_and_what_was_expected(
    tmp_path: Path, write: Write, file: str, text: str, said: str
) -> None:
    """In a line of its own; nothing else is left out for it."""
    write("models/alto.yaml", MODEL)
    write("characters/zoe.yaml", CHARACTER.replace("[eros]", "[alto]"))
    write(file, text)
    catalogue = load(tmp_path)
    (fault,) = catalogue.faults
    assert fault.line.startswith(str(tmp_path / file)) and said in fault.line and "\n" not in fault.line
    assert "alto" in catalogue.models and "zoe" in catalogue.characters
    name = Path(file).stem
    good = (
        (name not in catalogue.models) if file.startswith("models") else ("aya" not in catalogue.characters)
    )
    assert good or name == "Big Model"
    assert fault.name in catalogue.faults_in_short and str(tmp_path) not in catalogue.faults_in_short


def test_only_model_that_is_broken_stops_the_start(tmp_path: Path, write: Write) -> None:
    write("models/eros.yaml", "- a\n")
    with pytest.raises(CatalogueError, match=r"eros\.yaml: expected a mapping"):
        load(tmp_path)


def test_character_of_a_broken_model_is_offered_for_its_other_models(tmp_path: Path, write: Write) -> None:
    write("models/alto.yaml", MODEL)
    write("characters/zoe.yaml", CHARACTER.replace("[eros]", "[eros, alto]"))
    write("models/eros.yaml", "a: [")
    catalogue = load(tmp_path)
    assert {name: each.models for name, each in catalogue.characters.items()} == {"zoe": ("alto",)}
    assert [fault.name for fault in catalogue.faults] == ["eros"]


def test_order_that_names_a_broken_model_is_not_drawn_by_another(tmp_path: Path, write: Write) -> None:
    write("models/alto.yaml", MODEL)
    write("models/eros.yaml", "a: [")
    catalogue = load(tmp_path)
    assert catalogue.model("nobody").name == catalogue.model(None).name == "alto"
    with pytest.raises(ApiError, match="Generation failed") as refused:
        catalogue.model("eros")
    assert refused.value.status == 502
    assert refused.value.detail == "model eros cannot draw at present; these can draw: alto"


def test_character_in_two_folders_is_offered_by_neither(tmp_path: Path, write: Write) -> None:
    """Nobody can tell whose rights count, also where one of the two is broken."""
    write("characters/zoe.yaml", CHARACTER)
    added = tmp_path / "added"
    (added / "characters").mkdir(parents=True)
    for text in (CHARACTER, "a: ["):
        (added / "characters" / "aya.yaml").write_text(text)
        catalogue = load(tmp_path, added)
        assert list(catalogue.characters) == ["zoe"]
        assert f"not in {tmp_path / 'characters' / 'aya.yaml'} too: remove one" in catalogue.faults[-1].line


def test_model_in_two_folders_is_the_first_ones(tmp_path: Path, write: Write) -> None:
    added = tmp_path / "added"
    (added / "models").mkdir(parents=True)
    (added / "models" / "eros.yaml").write_text(MODEL.replace("label: Eros", "label: Another"))
    (added / "models" / "mine.yaml").write_text(MODEL)
    catalogue = load(tmp_path, added)
    assert {name: each.label for name, each in catalogue.models.items()} == {"eros": "Eros", "mine": "Eros"}
    assert str(added / "models" / "eros.yaml") in catalogue.faults[0].line


def test_what_has_no_weights_is_known_and_not_offered(tmp_path: Path, write: Write) -> None:
    write("models/alto.yaml", MODEL + "order: 1\n")
    write("characters/zoe.yaml", CHARACTER.replace("[eros]", "[alto, eros]"))
    write("characters/kim.yaml", CHARACTER.replace("[eros]", "[alto]"))
    left = load(tmp_path).without(Lacking(frozenset({"alto"}), frozenset({("eros", "aya")})))
    assert left.response.characters == ("zoe",) and list(left.response.models) == ["eros"]
    assert left.characters["zoe"].models == ("eros",)
    assert left.model(None).name == "eros"
    with pytest.raises(ApiError, match="Generation failed"):
        left.model("alto")
    none = load(tmp_path).without(Lacking(frozenset({"alto", "eros"})))
    assert msgspec.to_builtins(none.response) == {"characters": (), "models": {}}
    with pytest.raises(ApiError, match="Generation failed"):
        none.model(None)


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
    assert catalogue.response.characters == ()


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


def test_style_is_drawn_by_its_own_sampler_without_the_spacing_of_another(
    tmp_path: Path, write: Write
) -> None:
    write("models/eros.yaml", MODEL.replace("styles:", "sampler: dpmpp_2m\nspacing: karras\nstyles:"))
    model = load(tmp_path).models["eros"]
    style = model.style("")
    assert model.step_settings(style) == StepSettings(model.steps, model.guidance, "dpmpp_2m", "karras")
    few = msgspec.structs.replace(style, sampler="lcm", steps=4, guidance=0.0)
    assert model.step_settings(few) == StepSettings(4, 0.0, "lcm", "")
    assert model.step_settings(msgspec.structs.replace(style, spacing="beta")).spacing == "beta"
    recipes = {recipe(model, one, None) for one in (style, few, msgspec.structs.replace(style, steps=9))}
    assert len(recipes) == 3


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sampler: heun", "sampler"),
        ("spacing: odd", "spacing"),
        ("sampler: lcm\nspacing: karras", "lcm has timesteps of its own"),
    ],
)
def test_sampler_that_there_is_not_leaves_the_model_out(
    line: str, words: str, tmp_path: Path, write: Write
) -> None:
    write("models/eros.yaml", MODEL.replace("styles:", f"{line}\nstyles:"))
    with pytest.raises(CatalogueError, match=words):
        load(tmp_path)


def test_style_may_have_a_lora_where_the_model_has_a_bank(tmp_path: Path, write: Write) -> None:
    write("models/eros.yaml", styled("lora: ../loras/ink.safetensors, strength: -0.5"))
    catalogue = load(tmp_path)
    style = catalogue.default_model.styles["ink"]
    assert (style.lora, style.strength) == ("../loras/ink.safetensors", -0.5)
    assert catalogue.style_lora("eros", "ink") == tmp_path / "../loras/ink.safetensors"
    assert catalogue.faults == () and catalogue.default_model.styles["plain"].lora is None


def test_style_whose_lora_cannot_be_drawn_with_is_not_offered_and_no_other_draws_for_it(
    tmp_path: Path, write: Write
) -> None:
    write("models/eros.yaml", styled("lora: ../loras/ink.safetensors"))
    write("characters/bella.yaml", f"{CHARACTER}merged: true\n")
    whole = load(tmp_path)
    model, characters = whole.default_model, whole.characters
    ink, plain = model.styles["ink"], model.styles["plain"]
    for character in (None, characters["aya"]):
        whole.check_style(model, ink, character)
    with pytest.raises(ApiError) as merged:
        whole.check_style(model, ink, characters["bella"])
    assert merged.value.detail == "style ink has a LoRA, which @bella, merged, cannot be drawn with"
    left = whole.without(Lacking(styles=frozenset({("eros", "ink")})))
    assert set(left.response.models["eros"].styles) == {"plain", "neon"}
    with pytest.raises(ApiError) as refused:
        left.check_style(model, ink, None)
    assert refused.value.detail == "style ink of model eros cannot draw at present"
    left.check_style(model, plain, characters["bella"])
