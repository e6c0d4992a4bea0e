"""How many rows the tables have that a network looks its tokens up in.

OpenVINO takes a token beyond its table for a row of zeros, and draws something else without a word.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import openvino
from batching import Arrays, BadTensors

_KEEPING = {"Convert", "Reshape", "Squeeze", "Unsqueeze"}  # what tokens may go through on their way


def vocabularies(model: openvino.Model) -> dict[str, int]:
    """By name of the inputs that are looked up: the rows of the smallest table."""
    found = {}
    for parameter in model.get_parameters():
        if rows := list(_tables(parameter.output(0))):
            found[parameter.friendly_name] = min(rows)
    return found


def check_tokens(arrays: Arrays, vocabularies: Mapping[str, int]) -> None:
    """Raises BadTensors."""
    for name, rows in vocabularies.items():
        low, high = int(np.min(arrays[name])), int(np.max(arrays[name]))
        if low < 0 or high >= rows:
            raise BadTensors(f"input {name}: expected tokens of 0 to {rows - 1}, got {low} to {high}")


def _tables(tokens: openvino.Output) -> Iterator[int]:
    for target in tokens.get_target_inputs():
        node = target.get_node()
        if node.get_type_name() == "Gather" and target.get_index() == 1:
            rows = node.input(0).get_partial_shape()[0]
            if rows.is_static:
                yield rows.get_length()
        elif node.get_type_name() in _KEEPING and target.get_index() == 0:
            yield from _tables(node.output(0))
