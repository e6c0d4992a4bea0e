"""Models, styles and characters: what an operator declares in YAML, one file for each model and character."""

import functools
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from contract.acs import DEPICTIONS, Depiction, Depicts
from contract.limits import MAX_GUIDANCE, MAX_PROMPT_CHARACTERS, MAX_STEPS, MAX_STRENGTH
from contract.names import NAME, NAME_WORDS
from contract.samplers import Sampler, Sampling, Spacing
from frontend.catalogue.answer import ModelsAnswer, OfferedModel, OfferedStyle
from frontend.catalogue.yaml_file import read_mapping, to_struct
from frontend.common.errors import GENERATION_FAILED, ApiError, CatalogueError

T = TypeVar("T")

MAX_FILES = 2_000
MAX_NAMED = 20  # characters in a warning

Label = Annotated[str, Meta(min_length=1, max_length=100)]
Terms = Annotated[str, Meta(max_length=MAX_PROMPT_CHARACTERS)]
RIGHTS = re.compile(r"^(fictional|consent:\S{1,200})\Z")
RIGHTS_WORDS = "fictional, or consent:REFERENCE where REFERENCE leads to the written consent"
Rights = Annotated[str, Meta(pattern=RIGHTS.pattern)]


Strength = Annotated[float, Meta(ge=-MAX_STRENGTH, le=MAX_STRENGTH)]
LoraPath = Annotated[str, Meta(min_length=1, max_length=500)]
"""Relative to the catalogue's folder."""
AdapterKind = Literal["merged", "bank"]
"""How a model's LoRAs are drawn with: merged into networks of their own, or in a bank that all share."""


Steps = Annotated[int, Meta(ge=1, le=MAX_STEPS)]
Guidance = Annotated[float, Meta(ge=0, le=MAX_GUIDANCE)]


@dataclass(frozen=True)
class StepSettings:
    """How a picture of a model and a style is drawn."""

    steps: int
    guidance: float
    sampler: str  # these two: "" for the model's own, as it was exported
    spacing: str

    @property
    def is_chosen(self) -> bool:
        """Whether it is another sampler's, or may be."""
        return bool(self.sampler or self.spacing)


class Style(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A look that a client chooses; both texts are comma-separated terms."""

    name: str  # its key in the model's file
    label: Label
    positive: Terms = ""
    negative: Terms = ""
    lora: LoraPath | None = None  # drawn with beside the character's, in the model's bank
    strength: Strength = 1.0  # how much of it
    # In place of the model's
    steps: Steps | None = None
    guidance: Guidance | None = None
    sampler: Sampler | None = None
    spacing: Spacing | None = None


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: str  # its file's name
    label: Label
    order: int = 100  # the model with the lowest one is the default
    default_style: str
    steps: Steps
    guidance: Guidance
    sampler: Sampler | None = None  # these two: None for what the export found
    spacing: Spacing | None = None
    negative: Terms = ""  # the base negatives
    quality: Terms = ""  # quality tags, after the style's own terms
    styles: dict[str, Style]
    adapters: AdapterKind = "merged"  # as its networks were exported

    def style(self, name: object) -> Style:
        """The style of that name, or else the default one."""
        found = self.styles.get(name) if isinstance(name, str) else None
        return found or self.styles[self.default_style]

    def step_settings(self, style: Style) -> StepSettings:
        """A style's sampler leaves nothing of the model's spacing, which was for another one."""
        both = style if style.sampler else self
        return StepSettings(
            steps=self.steps if style.steps is None else style.steps,
            guidance=self.guidance if style.guidance is None else style.guidance,
            sampler=both.sampler or "",
            spacing=style.spacing or both.spacing or "",
        )


class Character(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: str  # its file's name; clients write @name
    label: Label
    models: Annotated[tuple[str, ...], Meta(min_length=1)]  # the models that have weights for it
    trigger: Annotated[str, Meta(min_length=1, max_length=200)]  # the words that its LoRA was trained on
    positive: Terms = ""
    negative: Terms = ""
    lora: LoraPath
    strength: Strength = 1.0  # how much of the LoRA is drawn with
    # Factors for parts of the LoRA, by how their paths begin: unet.up_blocks.1: 0.5
    blocks: dict[str, Strength] = {}
    merged: bool = False  # into networks of its own, also where the model has a bank
    rights: Rights  # no character without a statement of rights
    # Where it is not recorded, the reviewer takes the character for a child.
    depicts: Depiction | None = None


@dataclass(frozen=True)
class CatalogueFault:
    """What was left out."""

    name: str  # of a model, or @name
    line: str  # which file, what is wrong, how to mend it


@dataclass(frozen=True)
class Lacking:
    """What the Tritons cannot do of what is declared."""

    models: frozenset[str] = frozenset()  # without weights
    characters: frozenset[tuple[str, str]] = frozenset()  # (model, name), likewise
    too_large: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (model, 1024x1024): why
    styles: frozenset[tuple[str, str]] = frozenset()  # (model, name) of those whose LoRA no bank can hold
    style_loras: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """SHA-256 of the others' LoRAs, of different ones with spaces between them."""
    not_drawn: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(model, style) of those whose sampler or spacing the model cannot be drawn by: why."""
    negatives: frozenset[str] = frozenset()  # models that take no notice of a negative prompt
    emphasis: frozenset[str] = frozenset()  # models that take no notice of words' weights


@dataclass(frozen=True)
class Catalogue:
    """Everything that this server offers, cross-checked. Both mappings are in the order of their keys.

    What is not right is left out, and stops nothing else.
    """

    models: Mapping[str, Model]  # the default one first; none where Triton has no weights of any
    characters: Mapping[str, Character]
    homes: Mapping[str, Path]  # of each character: the folder that its LoRA's path starts from
    model_homes: Mapping[str, Path]  # of each model: the same for its styles' LoRAs
    faults: tuple[CatalogueFault, ...] = ()
    withheld: Collection[str] = ()  # models that are known and cannot be drawn with
    too_large: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (model, 1024x1024): why
    withheld_styles: Collection[tuple[str, str]] = ()  # (model, name) of those that cannot be drawn with
    style_loras: Mapping[tuple[str, str], str] = field(default_factory=dict)  # as in Lacking
    without_negatives: Collection[str] = ()  # models that take no notice of a negative prompt
    without_emphasis: Collection[str] = ()  # models that take no notice of words' weights

    @property
    def default_model(self) -> Model:
        """Raises ApiError 502 where none can be drawn with."""
        for model in self.models.values():
            return model
        raise ApiError(502, GENERATION_FAILED, detail="no model has weights at present")

    def model(self, name: object) -> Model:
        """The model of that name, or else the default one. ApiError 502 of a known one without weights: no
        other one may draw what was asked of it."""
        if isinstance(name, str) and name in self.withheld:
            known = f"; these can draw: {_list(self.models)}" if self.models else ""
            raise ApiError(502, GENERATION_FAILED, detail=f"model {name} cannot draw at present{known}")
        found = self.models.get(name) if isinstance(name, str) else None
        return found or self.default_model

    def check_size(self, model: str, size: tuple[int, int]) -> None:
        """Raises ApiError 502 where no Triton has the memory for a picture of that size."""
        if why := self.too_large.get((model, f"{size[0]}x{size[1]}")):
            raise ApiError(502, GENERATION_FAILED, detail=why)

    def check_style(self, model: Model, style: Style, character: Character | None) -> None:
        """Raises ApiError 502 where its LoRA cannot be drawn with: no other style may draw for it."""
        if (model.name, style.name) in self.withheld_styles:
            why = f"style {style.name} of model {model.name} cannot draw at present"
        elif style.lora and character and character.merged:
            why = f"style {style.name} has a LoRA, which @{character.name}, merged, cannot be drawn with"
        else:
            return
        raise ApiError(502, GENERATION_FAILED, detail=why)

    def without(self, lacking: "Lacking") -> "Catalogue":
        """What is left where these cannot be drawn with."""
        models, characters = lacking.models, lacking.characters
        if lacking == Lacking():
            return self
        left = {name: each for name, each in self.models.items() if name not in models}
        narrowed = {
            name: tuple(one for one in each.models if one in left and (one, name) not in characters)
            for name, each in self.characters.items()
        }
        return replace(
            self,
            too_large=lacking.too_large,
            withheld_styles=lacking.styles | lacking.not_drawn.keys(),
            style_loras=lacking.style_loras,
            without_negatives=lacking.negatives,
            without_emphasis=lacking.emphasis,
            models=MappingProxyType(left),
            characters=MappingProxyType(
                {
                    name: msgspec.structs.replace(each, models=narrowed[name])
                    for name, each in self.characters.items()
                    if narrowed[name]
                }
            ),
            withheld=frozenset((*self.withheld, *(name for name in models if name in self.models))),
        )

    def lora(self, name: str) -> Path:
        """The file of that character's LoRA."""
        return self.homes[name] / self.characters[name].lora

    def style_lora(self, model: str, style: str) -> Path:
        """The file of that style's LoRA, which it must have."""
        lora = self.models[model].styles[style].lora
        assert lora
        return self.model_homes[model] / lora

    def characters_of(self, model: str) -> dict[str, Character]:
        return {name: each for name, each in self.characters.items() if model in each.models}

    @functools.cached_property
    def names(self) -> Mapping[str, frozenset[str]]:
        """By model: of its characters."""
        return {model: frozenset(self.characters_of(model)) for model in self.models}

    def depicts(self, character: str, recorded: Depicts) -> Depicts:
        """What a picture of it is reviewed by. Its job says `recorded`; the stricter of the two counts."""
        known = self.characters.get(character)
        records = {recorded, (known.depicts or "") if known else recorded}
        if len(records) == 1:
            return recorded
        return "child" if "child" in records else ""

    @functools.cached_property
    def faults_in_short(self) -> str:
        """The names of what was left out, in one line; "" where nothing was."""
        names = sorted({fault.name for fault in self.faults})
        more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        listed = ", ".join(names[:MAX_NAMED]) + more
        return f"left out of the catalogue (the log says why): {listed}" if names else ""

    @functools.cached_property
    def warning(self) -> str:
        """Which characters lack a record of what they depict, in one line; "" where none does."""
        lacking = [f"@{name}" for name, each in self.characters.items() if each.depicts is None]
        if not lacking:
            return ""
        more = f" and {len(lacking) - MAX_NAMED} more" if len(lacking) > MAX_NAMED else ""
        return (
            f"reviewed as children, since nobody has recorded what they depict: "
            f"{', '.join(lacking[:MAX_NAMED])}{more}; `imgen character set NAME --depicts "
            f"{'|'.join(DEPICTIONS)}`, or `depicts:` in the character's file"
        )

    @functools.cached_property
    def response(self) -> ModelsAnswer:
        """The answer of the `models` action."""
        return ModelsAnswer(
            characters=tuple(sorted(self.characters)),
            models={name: _describe(model, self.withheld_styles) for name, model in self.models.items()},
        )


def load(folder: Path, *more: Path) -> Catalogue:
    """The catalogue in `folder` and `more` ones: models/*.yaml and characters/*.yaml of each.

    A file that is not right is left out, with a line in `faults`; so are a model whose name stands in a
    folder before, and a character whose name stands in two, as nobody can tell whose rights count.
    Raises CatalogueError where no model is left.
    """
    faults: list[CatalogueFault] = []
    models, model_homes, broken = _read_all((folder, *more), "models", _read_model, faults)
    for name, homes in model_homes.items():
        for home in homes[1:]:
            words = f"{_file(home, 'models', name)}: {_taken(homes[0], 'models', name)}"
            faults.append(_fault("models", name, words))
    if not models:
        wanted = f"{folder / 'models'}: expected at least one model, NAME.yaml"
        raise CatalogueError(faults[0].line if faults else wanted)
    read, character_homes, _ = _read_all((folder, *more), "characters", _read_character, faults)
    characters = {}
    for name, homes in character_homes.items():
        where = _file(homes[-1], "characters", name)
        if len(homes) > 1:
            words = f"{where}: {_taken(homes[0], 'characters', name)}, and neither is offered"
            faults.append(_fault("characters", name, words))
        elif name in read and (character := _with_known_models(read[name], where, models, broken, faults)):
            characters[name] = character
    in_order = dict(sorted(models.items(), key=lambda item: (item[1].order, item[0])))
    return Catalogue(
        MappingProxyType(in_order),
        MappingProxyType(dict(sorted(characters.items()))),
        MappingProxyType({name: character_homes[name][0] for name in characters}),
        MappingProxyType({name: model_homes[name][0] for name in in_order}),
        tuple(faults),
        frozenset(broken),
    )


def _fault(kind: str, name: str, words: str) -> CatalogueFault:
    return CatalogueFault(f"@{name}" if kind == "characters" else name, words)


def _file(home: Path, kind: str, name: str) -> Path:
    return home / kind / f"{name}.yaml"


def _taken(home: Path, kind: str, name: str) -> str:
    return f"expected a name that is not in {_file(home, kind, name)} too: remove one"


def _read_all(
    homes: Iterable[Path], kind: str, read: Callable[[Path], T], faults: list[CatalogueFault]
) -> tuple[dict[str, T], dict[str, list[Path]], set[str]]:
    """What can be read, of a name that stands twice the first; the homes of all; names of what cannot.

    Raises CatalogueError for a folder of too many files.
    """
    found: dict[str, T] = {}
    places: dict[str, list[Path]] = {}
    for home in homes:
        paths = sorted((home / kind).glob("*.yaml"))
        if len(paths) > MAX_FILES:
            raise CatalogueError(f"{home / kind}: expected at most {MAX_FILES} files, got {len(paths)}")
        for path in paths:
            places.setdefault(path.stem, []).append(home)
            try:
                found.setdefault(path.stem, read(path))
            except CatalogueError as error:
                faults.append(_fault(kind, path.stem, str(error)))
    return found, places, set(places) - set(found)


def _with_known_models(
    character: Character,
    where: Path,
    models: Collection[str],
    broken: Collection[str],
    faults: list[CatalogueFault],
) -> Character | None:
    """The character for those of its models that there are; None where there is none."""
    known = tuple(each for each in character.models if each in models)
    unknown = [each for each in character.models if each not in models and each not in broken]
    if unknown:
        words = f"{where}: models: expected some of {_list(models)}, got {', '.join(map(repr, unknown))}"
        faults.append(_fault("characters", character.name, words))
    return msgspec.structs.replace(character, models=known) if known else None


def _read_character(path: Path) -> Character:
    raw = _read_named(path)
    rights = raw.get("rights")
    if not isinstance(rights, str) or not RIGHTS.fullmatch(rights):
        got = f", got {rights!r}"[:100] if "rights" in raw else ""
        raise CatalogueError(f"{path}: rights: expected {RIGHTS_WORDS}{got}")
    return to_struct(path, raw, Character)


def _read_model(path: Path) -> Model:
    return model_of(path, _read_named(path))


def model_of(where: object, raw: dict[str, Any]) -> Model:
    """What a file says, its `name` too. Raises CatalogueError, which begins with `where`."""
    given = raw.get("styles")
    if not isinstance(given, dict) or not given:
        raise CatalogueError(f"{where}: styles: expected a mapping of at least one style")
    model = to_struct(where, {**raw, "styles": {}}, Model)
    _check_settings(str(where), model.step_settings(Style(name="", label="x")))
    styles = {key: _style(f"{where}: styles", key, style, model) for key, style in given.items()}
    if model.default_style not in styles:
        got = f"got {model.default_style!r}"
        raise CatalogueError(f"{where}: default_style: expected one of {_list(styles)}, {got}")
    return msgspec.structs.replace(model, styles=styles)


def _style(where: str, key: object, raw: object, model: Model) -> Style:
    name = _name(key, where)
    if not isinstance(raw, dict) or "name" in raw:
        raise CatalogueError(f"{where}.{name}: expected label, positive and negative")
    style = to_struct(f"{where}.{name}", {**raw, "name": name}, Style)
    if style.lora and model.adapters != "bank":
        raise CatalogueError(
            f"{where}.{name}: lora: expected none, as the model has no bank: `imgen export CHECKPOINT --name "
            f"{model.name} --adapters 16x16` makes one, and `adapters: bank` in this file says so"
        )
    if ("strength" in raw and not style.lora) or not style.strength:
        raise CatalogueError(f"{where}.{name}: strength: expected beside a lora, and another one than 0")
    _check_settings(f"{where}.{name}", model.step_settings(style))
    return style


def _check_settings(where: str, settings: StepSettings) -> None:
    """Raises CatalogueError."""
    try:
        if settings.sampler:
            Sampling(settings.sampler, settings.spacing).check_steps(settings.steps)
    except ValueError as error:
        raise CatalogueError(f"{where}: {error}") from None


def _read_named(path: Path) -> dict[str, Any]:
    _name(path.stem, path)
    raw = read_mapping(path)
    if "name" in raw:
        raise CatalogueError(f"{path}: name: expected no such key, the name is the file's own")
    return {**raw, "name": path.stem}


def _name(name: object, where: object) -> str:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise CatalogueError(f"{where}: expected a name of {NAME_WORDS}, got {name!r}")
    return name


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _describe(model: Model, withheld: Collection[tuple[str, str]]) -> OfferedModel:
    styles = {
        name: OfferedStyle(label=style.label)
        for name, style in model.styles.items()
        if (model.name, name) not in withheld
    }
    return OfferedModel(label=model.label, default_style=model.default_style, styles=styles)
