"""diffusers' network beside ours, in the exporter's environment: python -m perf.limits.diffusers_step TASK

Around it is what our graph holds besides: guidance and the sampler's step, or the way to pixels.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from export.checkpoints.checkpoint import open_checkpoint
from export.networks.networks import Network, networks_of
from export.networks.precision import TORCH, Precision, cast
from perf.gpu.floor import count
from perf.limits.inputs import inputs_of, shape_of
from perf.limits.task import LimitsTask, answer, measure, read_task, refuse

PRECISIONS: dict[str, Precision] = {"f32": "fp32", "bf16": "bf16"}


def load(task: LimitsTask) -> Network:
    """In bf16 with channels_last, which is the fastest of its ways on a CPU."""
    checkpoint = open_checkpoint(Path(task.source), as_stored=True)
    network = next(one for one in networks_of(checkpoint) if one.part.name == task.part)
    cast(network.module, PRECISIONS[task.precision])
    if task.precision == "bf16":
        network.module.to(memory_format=torch.channels_last)
    return network


def multiply(side: int, dtype: torch.dtype) -> Any:
    """A linear layer without a bias."""
    layer, left = nn.Linear(side, side, bias=False, dtype=dtype), torch.randn(side, side, dtype=dtype)
    return functools.partial(layer, left)


def main() -> None:
    task = read_task()
    if task.precision == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        refuse("this processor has no bf16; torch emulates it, at a ninth of fp32's rate where it was tried")
    network = load(task)
    specs = {spec.name: spec for spec in network.part.inputs}
    shapes = {
        name: shape_of((None, *(size if isinstance(size, int) else None for size in spec.dims)), task)
        for name, spec in specs.items()
    }
    integers = frozenset(name for name, spec in specs.items() if spec.dtype == "INT64")
    feed = {name: torch.from_numpy(array) for name, array in inputs_of(shapes, integers).items()}
    with torch.inference_mode():
        made = network.module(**feed)
        np.save(task.output, (made[0] if isinstance(made, tuple) else made).numpy())
        products = [(side, multiply(side, TORCH[PRECISIONS[task.precision]])) for side in task.sides]
        outcome = measure(task.rounds, lambda: network.module(**feed), products)
    answer(dataclasses.replace(outcome, operations=count(network.module, feed).flops))


if __name__ == "__main__":
    main()
