"""A network as an AOTInductor package: torch compiles it ahead of time, for this machine's GPU or processor.

For hosts that have torch and no TensorRT. Batch, size and prompt are dynamic, within what the API allows.
"""

import os
import shutil
import warnings
from collections.abc import Mapping
from math import gcd
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch.export import Dim

from contract.parts import ModelPart
from contract.sizes import SIZES
from export.engines.machine import NO_GPU
from export.engines.package import PackageRecord, write_record
from export.engines.recipe import EngineOptions
from export.errors import ExportError, first_line
from export.graphs.storage import CONSTANTS_FILE, PACKAGE_FILE
from export.networks.networks import Network
from export.networks.precision import Precision
from export.networks.trace import example_inputs
from export.repository.triton_config import bound_windows, for_engine

COMPILERS = ("g++", "clang++", "c++")
CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "sve")
PARAMETERS = """parameters [
  {{ key: "FORCE_CPU_ONLY_INPUT_TENSORS", value: {{ string_value: "{cpu_only}" }} }}
]
"""
Range = tuple[int, int, int]
"""Least, most and step of an axis."""


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def default_precision() -> Precision:
    return "fp16" if device() == "cuda" else "fp32"


def describe_builder() -> Mapping[str, str]:
    """Raises ExportError where there is no compiler."""
    wanted = os.environ.get("CXX")
    if not any(shutil.which(program) for program in ((wanted,) if wanted else COMPILERS)):
        looked = wanted or ", ".join(COMPILERS)
        raise ExportError(
            f"--engine inductor needs a C++ compiler ({looked}): install g++, or name one in CXX"
        )
    return {"torch": _torch_version(), "device": device(), "gpu": _gpu(), "cpu": " ".join(_cpu_flags())}


def ranges(part: ModelPart, engine_options: EngineOptions, downscale: int) -> dict[str, Range]:
    """What each named axis may be. A side may be whatever divides those of all the API's sizes."""
    sides = [side // downscale for size in SIZES for side in size]
    step = gcd(*sides)
    return {
        "batch": (1, engine_options.batch_of(part), 1),
        "height": (step, max(sides), step),
        "width": (step, max(sides), step),
        "tokens": part.tokens,
    }


def add_package(folder: Path, network: Network, engine_options: EngineOptions, downscale: int) -> None:
    """Compiles the network and has Triton's backend `inductor` run it: backends/inductor.

    Writes 1/model.pt2 and package.json and changes config.pbtxt. Raises ExportError with what the compiler
    said; the folder is then the caller's to drop.
    """
    axes = ranges(network.part, engine_options, downscale)
    compile_network(folder / "1" / PACKAGE_FILE, network, axes)
    write_record(folder, _record(network.part, network.module, axes))
    config = (folder / "config.pbtxt").read_text()
    on_gpu = device() == "cuda"
    group = f"{{ count: 1, kind: {'KIND_GPU' if on_gpu else 'KIND_CPU'} }}"
    config = for_engine(config, "inductor", axes["batch"][1], group)
    bound_windows(folder)
    (folder / "config.pbtxt").write_text(config + PARAMETERS.format(cpu_only="no" if on_gpu else "yes"))


def compile_network(path: Path, network: Network, axes: Mapping[str, Range]) -> None:
    """The network is then on `device()`. Raises ExportError with what the compiler said."""
    part = network.part
    module = network.module.eval().to(device())
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of its own deprecated parts
            program = torch.export.export(
                module, (), kwargs=_example(part, axes), dynamic_shapes=_dynamic(part, axes), strict=False
            )
            torch._inductor.aoti_compile_and_package(program, package_path=str(path))
    except Exception as error:  # torch and the compiler raise many kinds
        raise ExportError(f"torch cannot compile the {part.name}: {first_line(error)}") from error


class PackageRunner:
    """A package as parity.py runs it, a character's weights included."""

    def __init__(self, model: Path, outputs: tuple[str, ...]) -> None:
        self._package = torch._inductor.aoti_load_package(str(model / "1" / PACKAGE_FILE))
        self._outputs = outputs
        if (model / "1" / CONSTANTS_FILE).is_file():
            weights = load_file(model / "1" / CONSTANTS_FILE, device=device())
            self._package.load_constants(weights, check_full_update=False)

    def run(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """On the CPU outside."""
        with torch.no_grad():
            made = self._package(**{name: value.to(device()) for name, value in inputs.items()})
        values = made if isinstance(made, tuple | list) else (made,)
        return {name: value.cpu() for name, value in zip(self._outputs, values, strict=True)}


def _example(part: ModelPart, axes: Mapping[str, Range]) -> dict[str, torch.Tensor]:
    """Of sizes that differ from each other and from one, so that none is taken for another or for fixed."""
    batch, step, (least, most, _) = axes["batch"][1], axes["height"][2], axes["tokens"]
    sizes = {"batch": min(2, batch), "height": 4 * step, "width": 6 * step, "tokens": min(2 * least, most)}
    return {name: value.to(device()) for name, value in example_inputs(part, sizes).items()}


def _dynamic(part: ModelPart, axes: Mapping[str, Range]) -> dict[str, dict[int, Any]]:
    dims = {name: _dim(name, *found) for name, found in axes.items()}
    return {
        tensor.name: {
            axis: dims[name] for axis, name in tensor.dynamic_axes.items() if dims[name] is not None
        }
        for tensor in part.inputs
    }


def _dim(name: str, least: int, most: int, step: int) -> Any:
    """None for an axis that has one size."""
    if least == most:
        return None
    return (
        Dim(name, min=least, max=most) if step == 1 else step * Dim(name, min=least // step, max=most // step)
    )


def _record(part: ModelPart, module: torch.nn.Module, axes: Mapping[str, Range]) -> PackageRecord:
    used = {name for tensor in part.inputs for name in tensor.dynamic_axes.values()}
    types = {"FP32": "float32", "INT64": "int64"}
    return {
        "torch": _torch_version(),
        "device": device(),
        "gpu": _gpu(),
        "cpu_flags": _cpu_flags(),
        "weights": str(next(module.parameters()).dtype).removeprefix("torch."),
        "axes": {
            name: dict(zip(("least", "most", "step"), axes[name], strict=True)) for name in sorted(used)
        },
        "inputs": {
            tensor.name: {"dtype": types[tensor.dtype], "dims": ["batch", *tensor.dims]}
            for tensor in part.inputs
        },
        "outputs": [tensor.name for tensor in part.outputs],
    }


def _torch_version() -> str:
    return str(torch.__version__).partition("+")[0]


def _gpu() -> str:
    if device() == "cpu":
        return NO_GPU
    return f"{torch.cuda.get_device_name()}, {'.'.join(map(str, torch.cuda.get_device_capability()))}"


def _cpu_flags() -> list[str]:
    """The compiler is told to use what this processor has; code for more than a host has would kill it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    found = next((line for line in lines if line.startswith(("flags", "Features"))), "").split()
    return [flag for flag in CPU_FLAGS if flag in found]
