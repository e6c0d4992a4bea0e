"""The least time that a step can take: its operations and bytes, beside what the machine can do of each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

HEAVY: tuple[Callable[..., Any], ...] = (
    functional.conv2d,
    torch.conv2d,
    functional.linear,
    functional.scaled_dot_product_attention,
)
"""Everything else can be fused into these, and is counted as free."""


@dataclass(frozen=True)
class Work:
    flops: int  # a multiplication and an addition are two
    weight_bytes: int  # each read once
    activation_bytes: int  # what HEAVY operations read and write beside weights, each once


@dataclass(frozen=True)
class Ceilings:
    """Measured, not taken from a data sheet."""

    tflops: float
    gb_per_s: float


def floor_ms(work: Work, ceilings: Ceilings) -> float:
    """Either the arithmetic or the memory is the bottleneck; both at once is as good as it gets."""
    compute = work.flops / (ceilings.tflops * 1e12)
    memory = (work.weight_bytes + work.activation_bytes) / (ceilings.gb_per_s * 1e9)
    return 1000 * max(compute, memory)


def count(module: nn.Module, inputs: Mapping[str, torch.Tensor]) -> Work:
    """Of one call, on shapes alone. The module is moved to the device `meta` and loses its values."""
    with torch.no_grad():
        shapes = {name: value.to("meta") for name, value in inputs.items()}
        bare = module.to("meta")
        traffic, counter = Traffic(bare), FlopCounterMode(display=False)
        with counter, traffic:
            bare(**shapes)
    weights = sum(one.nbytes for one in bare.parameters())
    return Work(counter.get_total_flops(), weights, traffic.bytes)


class Traffic(TorchFunctionMode):
    """Adds up the bytes of activations that HEAVY operations take and give."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.bytes = 0
        self._weights = {id(one) for one in module.parameters()}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if func in HEAVY:
            given = [
                one for one in _tensors([*args, *(kwargs or {}).values()]) if id(one) not in self._weights
            ]
            self.bytes += sum(one.nbytes for one in (*given, *_tensors([made])))
        return made


def _tensors(values: list[Any]) -> Iterator[torch.Tensor]:
    return (value for value in values if isinstance(value, torch.Tensor))
