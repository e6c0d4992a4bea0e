"""YAML files read into checked types: a mistake stops the start and names file, key and what was expected.

The API server's catalogue has a loader of its own: the two share no code, so that either can be replaced.
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

MAX_BYTES = 1 << 20
T = TypeVar("T")


class DataError(Exception):
    """One line: file, key, expected value."""


class _StrictLoader(yaml.SafeLoader):
    """Refuses what YAML would pass over in silence: a key given twice, an alias."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"line {node.start_mark.line + 1}: key {key!r} is given twice")
        return super().construct_mapping(node, deep)


def load(path: Path, kind: type[T]) -> T:
    """Raises DataError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path.name}: expected at most {MAX_BYTES} bytes")
        raw = yaml.load(path.read_bytes(), _StrictLoader)  # noqa: S506
        return msgspec.convert(raw, kind)
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, msgspec.ValidationError, ValueError, RecursionError) as error:
        # msgspec's own text names the key as a path, `$.categories[0].name`, and what was expected there.
        raise DataError(f"{path.name}: {' '.join(str(error).split())}") from None
