"""Models, styles and characters: what an operator declares in YAML, one file for each model and character."""

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

import msgspec
import yaml
from msgspec import Meta

from contract.acs import DEPICTIONS, Depiction, Depicts
from contract.limits import MAX_GUIDANCE, MAX_PROMPT_CHARACTERS, MAX_STEPS, MAX_STRENGTH
from contract.names import NAME, NAME_WORDS
from frontend.common.errors import CatalogueError

T = TypeVar("T")

MAX_FILE_BYTES = 262_144
MAX_FILES = 2_000
MAX_NAMED = 20  # characters in a warning

Label = Annotated[str, Meta(min_length=1, max_length=100)]
Terms = Annotated[str, Meta(max_length=MAX_PROMPT_CHARACTERS)]
RIGHTS = re.compile(r"^(fictional|consent:\S{1,200})\Z")
Rights = Annotated[str, Meta(pattern=RIGHTS.pattern)]


class Style(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A look that a client chooses; both texts are comma-separated terms."""

    name: str  # its key in the model's file
    label: Label
    positive: Terms = ""
    negative: Terms = ""


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: str  # its file's name
    label: Label
    order: int = 100  # the model with the lowest one is the default
    default_style: str
    steps: Annotated[int, Meta(ge=1, le=MAX_STEPS)]
    guidance: Annotated[float, Meta(ge=0, le=MAX_GUIDANCE)]
    negative: Terms = ""  # the base negatives
    quality: Terms = ""  # quality tags, after the style's own terms
    styles: dict[str, Style]

    def style(self, name: object) -> Style:
        """The style of that name, or else the default one."""
        found = self.styles.get(name) if isinstance(name, str) else None
        return found or self.styles[self.default_style]


class Character(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: str  # its file's name; clients write @name
    label: Label
    models: Annotated[tuple[str, ...], Meta(min_length=1)]  # the models that have weights for it
    trigger: Annotated[str, Meta(min_length=1, max_length=200)]  # the words that its LoRA was trained on
    positive: Terms = ""
    negative: Terms = ""
    lora: Annotated[str, Meta(min_length=1, max_length=500)]  # path, relative to the catalogue's folder
    strength: Annotated[float, Meta(ge=-MAX_STRENGTH, le=MAX_STRENGTH)] = (
        1.0  # how much of the LoRA is merged in
    )
    # Factors for parts of the LoRA, by how their paths begin: unet.up_blocks.1: 0.5
    blocks: dict[str, Annotated[float, Meta(ge=-MAX_STRENGTH, le=MAX_STRENGTH)]] = {}
    rights: Rights  # no character without a statement of rights
    # Where it is not recorded, the reviewer takes the character for a child.
    depicts: Depiction | None = None


@dataclass(frozen=True)
class Catalogue:
    """Everything that this server offers, cross-checked. Both mappings are in the order of their keys."""

    models: Mapping[str, Model]  # the default one first
    characters: Mapping[str, Character]
    homes: Mapping[str, Path]  # of each character: the folder that its LoRA's path starts from

    @property
    def default_model(self) -> Model:
        return next(iter(self.models.values()))

    def model(self, name: object) -> Model:
        """The model of that name, or else the default one."""
        found = self.models.get(name) if isinstance(name, str) else None
        return found or self.default_model

    def lora(self, name: str) -> Path:
        """The file of that character's LoRA."""
        return self.homes[name] / self.characters[name].lora

    def characters_of(self, model: str) -> dict[str, Character]:
        return {name: each for name, each in self.characters.items() if model in each.models}

    def depicts(self, character: str, recorded: Depicts) -> Depicts:
        """What a picture of it is reviewed by. Its job says `recorded`; the stricter of the two counts."""
        known = self.characters.get(character)
        records = {recorded, (known.depicts or "") if known else recorded}
        if len(records) == 1:
            return recorded
        return "child" if "child" in records else ""

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
    def response(self) -> Mapping[str, Any]:
        """The answer of the `models` action."""
        return {
            "characters": sorted(self.characters),
            "models": {name: _describe(model) for name, model in self.models.items()},
        }


def load(folder: Path, *more: Path) -> Catalogue:
    """The catalogue in `folder`, models/*.yaml and characters/*.yaml, and the characters in `more` folders.

    Raises CatalogueError, also where a name stands in two folders.
    """
    models = _read_all(folder / "models", _read_model)
    if not models:
        raise CatalogueError(f"{folder / 'models'}: expected at least one model, NAME.yaml")
    characters: dict[str, Character] = {}
    homes: dict[str, Path] = {}
    for home in (folder, *more):
        for name, character in _read_all(home / "characters", _read_character).items():
            where = home / "characters" / f"{name}.yaml"
            if name in homes:
                raise CatalogueError(f"{where}: expected a name that is not in {homes[name]} too: remove one")
            if unknown := [each for each in character.models if each not in models]:
                raise CatalogueError(f"{where}: models: expected some of {_list(models)}, got {unknown[0]!r}")
            characters[name], homes[name] = character, home
    in_order = dict(sorted(models.items(), key=lambda item: (item[1].order, item[0])))
    by_name = dict(sorted(characters.items()))
    return Catalogue(MappingProxyType(in_order), MappingProxyType(by_name), MappingProxyType(homes))


def _read_all(folder: Path, read: Callable[[Path], T]) -> dict[str, T]:
    paths = sorted(folder.glob("*.yaml"))
    if len(paths) > MAX_FILES:
        raise CatalogueError(f"{folder}: expected at most {MAX_FILES} files, got {len(paths)}")
    return {_name(path.stem, path): read(path) for path in paths}


def _read_character(path: Path) -> Character:
    return to_struct(path, _read_named(path), Character)


def _read_model(path: Path) -> Model:
    raw = _read_named(path)
    given = raw.get("styles")
    if not isinstance(given, dict) or not given:
        raise CatalogueError(f"{path}: styles: expected a mapping of at least one style")
    model = to_struct(path, {**raw, "styles": {}}, Model)
    styles = {key: _style(f"{path}: styles", key, style) for key, style in given.items()}
    if model.default_style not in styles:
        got = f"got {model.default_style!r}"
        raise CatalogueError(f"{path}: default_style: expected one of {_list(styles)}, {got}")
    return msgspec.structs.replace(model, styles=styles)


def _style(where: str, key: object, raw: object) -> Style:
    name = _name(key, where)
    if not isinstance(raw, dict) or "name" in raw:
        raise CatalogueError(f"{where}.{name}: expected label, positive and negative")
    return to_struct(f"{where}.{name}", {**raw, "name": name}, Style)


def _read_named(path: Path) -> dict[str, Any]:
    raw = read_mapping(path)
    if "name" in raw:
        raise CatalogueError(f"{path}: name: expected no such key, the name is the file's own")
    return {**raw, "name": path.stem}


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds, every key of it once. Raises CatalogueError."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            raise CatalogueError(f"{path}: expected at most {MAX_FILE_BYTES} bytes")
        raw = yaml.load(text, _CatalogueLoader)  # noqa: S506, a SafeLoader
    except OSError as error:
        raise CatalogueError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CatalogueError(f"{path}: expected YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise CatalogueError(f"{path}: expected a mapping of keys to values")
    return raw


def to_struct(where: object, raw: dict[str, Any], kind: type[T]) -> T:
    """The struct that a mapping says. Raises CatalogueError, which begins with `where`."""
    try:
        made = msgspec.convert(raw, kind)
        msgspec.json.encode(made)  # refuses text that no answer could carry
    except msgspec.ValidationError as error:
        # msgspec says "Expected `str`, got `int` - at `$.label`"
        what, _, place = str(error).partition(" - at `$")
        key = place.strip("`.") + ": " if place.strip("`.") else ""
        raise CatalogueError(f"{where}: {key}{what[0].lower()}{what[1:]}") from None
    except UnicodeEncodeError:
        raise CatalogueError(f"{where}: expected valid Unicode text") from None
    return made


def _name(name: object, where: object) -> str:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise CatalogueError(f"{where}: expected a name of {NAME_WORDS}, got {name!r}")
    return name


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _describe(model: Model) -> dict[str, Any]:
    styles = {name: {"label": style.label} for name, style in model.styles.items()}
    return {"label": model.label, "default_style": model.default_style, "styles": styles}


class _CatalogueLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, which YAML lets pass, and aliases, which can grow without bound."""

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not supported")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            raise yaml.YAMLError(f"a key stands twice, line {node.start_mark.line + 1} and after")
        return mapping
