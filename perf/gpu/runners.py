"""One denoising step by each way to run it that torch has."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from export.engines.inductor import compile_network, ranges
from export.engines.recipe import EngineOptions
from export.networks.networks import Network

Inputs = Mapping[str, torch.Tensor]
Step = Callable[[Inputs], torch.Tensor]


def eager(network: Network, batch: int, downscale: int) -> Step:
    return lambda inputs: network.module(**inputs)


def compiled(network: Network, batch: int, downscale: int) -> Step:
    """torch.compile, on a GPU replayed as a CUDA graph; compiled anew for each shape."""
    module: Any = torch.compile(network.module, mode="reduce-overhead", dynamic=False)
    known: set[torch.Size] = set()

    def step(inputs: Inputs) -> torch.Tensor:
        if inputs["latents"].shape not in known:
            torch._dynamo.reset()
            known.add(inputs["latents"].shape)
        torch.compiler.cudagraph_mark_step_begin()
        made: torch.Tensor = module(**inputs)
        return made.clone()  # the next replay writes into the same memory

    return step


def package(network: Network, batch: int, downscale: int) -> Step:
    """One AOTInductor package for all shapes, as `imgen export --engine inductor` makes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt2"
        compile_network(path, network, ranges(network.part, EngineOptions(batch=batch), downscale))
        loaded: Any = torch._inductor.aoti_load_package(str(path))

    def step(inputs: Inputs) -> torch.Tensor:
        made = loaded(**inputs)
        found: torch.Tensor = made[0] if isinstance(made, tuple | list) else made
        return found

    return step


RUNNERS: Mapping[str, Callable[[Network, int, int], Step]] = {
    "eager": eager,
    "compile": compiled,
    "inductor": package,
}
