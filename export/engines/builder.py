"""NVIDIA's builder: an ONNX graph in, a plan out, over the API that `tensorrt` and `tensorrt_rtx` share.

TensorRT for RTX builds on a machine without a GPU; `tensorrt` needs the GPU that the plan is for.
"""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.engines.machine import NO_GPU, Machine, gpu
from export.engines.recipe import Recipe
from export.errors import ExportError
from frontend.common.atomic_write import atomic_write

LIBRARIES = ("tensorrt", "tensorrt_rtx_bindings")
MISSING = (
    "no TensorRT builder is installed: `.venv/bin/uv pip install --python {python} tensorrt` on the machine "
    "with the GPU, or, for RTX GPUs, the same with tensorrt-rtx-cu13-libs tensorrt-rtx-cu13-bindings"
)


@dataclass(frozen=True)
class Builder:
    """`trt`: the library's module, or anything that has its names."""

    trt: Any
    machine: Machine

    @property
    def can_refit(self) -> bool:
        return self.times_kernels and self.machine.gpu != NO_GPU

    @property
    def times_kernels(self) -> bool:
        """TensorRT for RTX times nothing when it builds: it chooses kernels where the plan runs."""
        return self.machine.builder == "tensorrt"


def load_builder(libraries: Sequence[str] = LIBRARIES) -> Builder:
    """The first that is installed. Raises ExportError where there is none."""
    for name in libraries:
        try:
            if name == "tensorrt_rtx_bindings":
                importlib.import_module("tensorrt_rtx_libs")  # puts the libraries where the bindings look
            trt = importlib.import_module(name)
        except (ImportError, OSError):  # OSError: the package is there, a library of the driver's is not
            continue
        machine = Machine(builder=name.removesuffix("_bindings"), version=trt.__version__, gpu=gpu())
        return Builder(trt, machine)
    raise ExportError(MISSING.format(python=sys.executable))


def build(builder: Builder, graph: Path, recipe: Recipe, timing_cache: Path, log: Path) -> memoryview:
    """The serialised plan. Raises ExportError with what the builder said; `log` has all of it."""
    trt = builder.trt
    with logger_of(trt, log) as logger:
        maker = trt.Builder(logger)
        network = maker.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, logger)
        if not parser.parse_from_file(str(graph)):
            raise ExportError(f"TensorRT cannot read {graph}: {parser.get_error(0).desc()}")
        config = _config(trt, maker, recipe)
        if builder.times_kernels:
            _use_timings(config, timing_cache)
        plan = maker.build_serialized_network(network, config)
        if plan is None:
            raise ExportError(f"TensorRT built no plan of {graph}: {logger.last_error}")
        if builder.times_kernels:
            _keep_timings(config, timing_cache)
    return memoryview(plan)


def _config(trt: Any, maker: Any, recipe: Recipe) -> Any:
    config = maker.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, recipe.workspace_mb << 20)
    if recipe.refittable:
        config.set_flag(trt.BuilderFlag.REFIT)
    for one in recipe.profiles:
        profile = maker.create_optimization_profile()
        for name, (smallest, usual, largest) in one.items():
            profile.set_shape(name, smallest, usual, largest)
        config.add_optimization_profile(profile)
    return config


def _use_timings(config: Any, path: Path) -> None:
    """A cache of another version or GPU, or a broken one, is no reason to fail: it is begun anew."""
    known = path.read_bytes() if path.is_file() else b""
    cache = config.create_timing_cache(known) if known else None
    if cache and config.set_timing_cache(cache, ignore_mismatch=False):
        return
    config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)


def _keep_timings(config: Any, path: Path) -> None:
    cache = config.get_timing_cache()
    if cache is None:
        return
    atomic_write(path, bytes(cache.serialize()))


@contextmanager
def logger_of(trt: Any, path: Path) -> Iterator[Any]:
    """One that adds every line to a file and remembers the last error."""

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last_error = f"see {path.name}"

        def log(self, severity: Any, message: str) -> None:
            file.write(f"{severity.name} {message}\n")
            if severity <= trt.ILogger.Severity.ERROR:
                self.last_error = " ".join(message.split())[:300]

    with path.open("a") as file:
        yield Logger()
