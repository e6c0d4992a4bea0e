"""What every network is run on before it serves: it must make numbers of it, and the same as it ever did."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt
from batching import Arrays, TensorRule, is_finite

from contract.bank import SLOTS

BATCH = 2
FREE_AXIS = 8  # networks halve it three times
NOISE_LEVELS = (0.05, 14.0)  # from nearly none to the most that a family has: each row gets another
KNOWN_BY = f"{BATCH} {FREE_AXIS} {NOISE_LEVELS}"
MAX_APART = 0.05  # of a network in bfloat16, whose numbers have 8 bits, from itself in float32
MAX_UNSEEN = 4.0  # of 255, on the average, where it makes pixels


class Computes(Protocol):
    @property
    def inputs(self) -> Mapping[str, TensorRule]: ...

    def run(self, inputs: Arrays) -> Arrays: ...


def outcome_of(network: Computes) -> Arrays:
    """Raises ValueError where it makes no numbers of the known input."""
    made = network.run(known_input(network.inputs))
    if short := sorted(name for name, array in made.items() if array.shape[:1] != (BATCH,)):
        raise ValueError(f"{short[0]} has the shape {list(made[short[0]].shape)} for a batch of {BATCH}")
    if wrong := sorted(name for name, array in made.items() if not is_finite(array)):
        raise ValueError(f"{wrong[0]} is not a number")
    return made


def known_input(rules: Mapping[str, TensorRule]) -> Arrays:
    """Small, and the same every time."""
    return {name: _numbers(rule) if name != SLOTS else _no_slots(rule) for name, rule in rules.items()}


def _no_slots(rule: TensorRule) -> npt.NDArray[np.generic]:
    """Of a bank: what its slots hold is another thing from day to day."""
    return np.zeros_like(_numbers(rule))


def check_close(made: Arrays, exact: Arrays) -> None:
    """Raises ValueError where a network in a coarser precision computes something else."""
    for name, array in exact.items():
        one, other = (np.asarray(each, np.float64) for each in (made[name], array))
        if np.issubdtype(array.dtype, np.floating):
            size = max(float(np.linalg.norm(other)), 1e-12)
            apart, most = float(np.linalg.norm(one - other)) / size, MAX_APART
        else:
            apart, most = float(np.abs(one - other).mean()), MAX_UNSEEN
        if not apart <= most:
            raise ValueError(f"{name} is {apart:.3g} off what it is in f32; at most {most} are allowed")


def _numbers(rule: TensorRule) -> npt.NDArray[np.generic]:
    shape = tuple(BATCH if axis == 0 else size or FREE_AXIS for axis, size in enumerate(rule.shape))
    count = np.arange(int(np.prod(shape))).reshape(shape)
    if np.issubdtype(rule.dtype, np.integer):
        return np.asarray(count % 97, rule.dtype)
    if shape == (BATCH, 1):
        return np.asarray(np.geomspace(*NOISE_LEVELS, BATCH).reshape(shape), rule.dtype)
    return np.asarray((count * 37 % 101 - 50) / 29, rule.dtype)  # as wide as normal numbers
