"""How the weights of FLUX.1's transformer in files get diffusers' names.

By the table of names, not by diffusers' own conversion, which knows the published widths alone.
"""

from typing import Any

import torch

from export.families.black_forest_names import SWAPPED, diffusers_names
from export.families.family import Source, Tensors

SCALE = "scale"
"""What they call the weight of a norm of queries and keys."""


def transformer_source(prefix: str) -> Source:
    return Source(prefix, lambda network, state: transformer_of(network, state, prefix))


def transformer_of(network: Any, state: dict[str, torch.Tensor], prefix: str) -> Tensors:
    """Keys that begin with `prefix`, in either's names, as `network` names them. Raises ValueError for rows
    that are not those of its layers."""
    wanted = network.state_dict()
    found: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        name = key.removeprefix(prefix)
        layer, _, kind = name.rpartition(".")
        kind = "weight" if kind == SCALE else kind
        theirs = [f"{path}.{kind}" for path in diffusers_names(layer)]
        if name in wanted:
            found[name] = value
        elif all(one in wanted for one in theirs):
            rows = [len(wanted[one]) for one in theirs]
            if sum(rows) != len(value):
                raise ValueError(f"{key} has {len(value)} rows, expected {sum(rows)}")
            whole = torch.cat(value.chunk(2)[::-1]) if layer == SWAPPED else value
            found |= dict(zip(theirs, whole.split(rows), strict=True))
    return found
