"""A YAML file of the catalogue as a typed struct; whatever is wrong is one line."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from frontend.common.errors import CatalogueError

T = TypeVar("T")

MAX_FILE_BYTES = 262_144


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
