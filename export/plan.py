"""ONNX parts as TensorRT plans, over the API that `tensorrt` and `tensorrt_rtx` share.

One strongly typed network for each part, and in it one optimisation profile for each size of picture, so that
a request runs in kernels chosen for its own size. TensorRT for RTX builds on a machine without a GPU;
`tensorrt` needs the GPU that the plan is for.
"""

import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from export.errors import ExportError
from export.parts import MAX_BATCH, Part, Tensor
from export.storage import MODEL_FILE, PLAN_FILE, graph_digest

SIZES = ((1344, 768), (1024, 1024), (768, 1344), (1216, 832), (832, 1216), (1152, 896), (896, 1152))
"""(width, height) in pixels; those of the API."""
TOKENS = (77, 77, 308)
"""Shortest, usual and longest prompt: one to four windows. text_to_image averages those of longer ones."""
LIBRARIES = ("tensorrt", "tensorrt_rtx_bindings")
LOG_FILE, RECORD_FILE = "build.log", "plan.json"
TIMING_CACHE = ".timing.cache"  # in the repository; Triton loads no file of it
MISSING = (
    "no TensorRT builder is installed: `pip install tensorrt` on the machine with the GPU, or, for RTX GPUs, "
    "`pip install tensorrt-rtx-cu13-libs tensorrt-rtx-cu13-bindings`"
)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What plans shall be good for."""

    sizes: Sequence[tuple[int, int]] = SIZES
    batch: int = MAX_BATCH

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= MAX_BATCH:
            raise ExportError(f"The batch {self.batch} must be 1 to {MAX_BATCH}")
        if wrong := [size for size in self.sizes if size not in SIZES]:
            known = ", ".join(f"{width}x{height}" for width, height in SIZES)
            raise ExportError(f"The size {wrong[0][0]}x{wrong[0][1]} is none of {known}")


Shapes = Sequence[Sequence[int]]
"""Smallest, usual and largest shape of one input."""
Profile = Mapping[str, Shapes]
"""By input."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a build needs beside the graph; kept with the plan, so that a character's is built alike."""

    profiles: Sequence[Profile]
    workspace_mb: int = 8192
    refittable: bool = False  # where the builder can: it needs a GPU

    @classmethod
    def of(cls, part: Part, wish: Wish, downscale: int) -> "Recipe":
        """One profile for each size; a part that no size touches has one. `downscale`: pixels per latent."""
        found: list[Profile] = []
        for width, height in wish.sizes:
            axes = {
                "width": (width // downscale,) * 3,
                "height": (height // downscale,) * 3,
                "tokens": TOKENS,
            }
            profile = {tensor.name: _shapes(tensor, axes, wish.batch) for tensor in part.inputs}
            if profile not in found:
                found.append(profile)
        return cls(profiles=found)


def _shapes(tensor: Tensor, axes: Mapping[str, tuple[int, int, int]], batch: int) -> Shapes:
    batches = (1, 1, batch)
    return [
        [batches[i], *(axes[dim][i] if isinstance(dim, str) else dim for dim in tensor.dims)]
        for i in range(3)
    ]


def load_builder(libraries: Sequence[str] = LIBRARIES) -> Any:
    """NVIDIA's library. Raises ExportError where there is none."""
    for name in libraries:
        try:
            if name == "tensorrt_rtx_bindings":
                importlib.import_module("tensorrt_rtx_libs")  # puts the libraries where the bindings look
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ExportError(MISSING)


def recipe_beside(model: Path) -> Recipe | None:
    """Of the plan in a model's folder; None where the model runs as ONNX."""
    path = model / RECORD_FILE
    return Recipe(**json.loads(path.read_bytes())["recipe"]) if path.is_file() else None


def add_plan(model: Path, recipe: Recipe, timing_cache: Path) -> None:
    """Builds the plan of the graph in a model's folder, and has Triton's tensorrt backend run it.

    Writes 1/model.plan, build.log and plan.json, and changes config.pbtxt and pipeline.json. The graph stays:
    LoRAs are merged into it. Raises ExportError with what the builder said; the folder is then the caller's
    to drop.
    """
    trt = load_builder()
    with _logger(trt, model / LOG_FILE) as logger:
        plan = _build(trt, logger, model / "1" / MODEL_FILE, recipe, timing_cache)
    (model / "1" / PLAN_FILE).write_bytes(memoryview(plan))
    record = {
        "builder": trt.__name__.removesuffix("_bindings"),
        "version": trt.__version__,
        "gpu": _gpu(),
        "onnx_sha256": graph_digest(model),
        "recipe": asdict(recipe),
    }
    (model / RECORD_FILE).write_text(json.dumps(record, indent=2) + "\n")
    _bound_windows(model / "pipeline.json")
    config = model / "config.pbtxt"
    config.write_text(for_tensorrt(config.read_text(), len(recipe.profiles)))


def _bound_windows(description: Path) -> None:
    """Tells text_to_image how long a prompt the plan takes. A new file: the old one may be a hard link."""
    if not description.is_file():
        return
    table = json.loads(description.read_bytes())
    beside = description.with_name(f".{description.name}.tmp")
    beside.write_text(
        json.dumps(table | {"max_windows": TOKENS[2] // table["token_window"]}, indent=2) + "\n"
    )
    beside.rename(description)


def for_tensorrt(config: str, profiles: int) -> str:
    """The same config.pbtxt for Triton's tensorrt backend, with an execution context for every profile."""
    listed = ", ".join(f'"{number}"' for number in range(profiles))
    config = re.sub(r'^backend: "\w+"$', 'backend: "tensorrt"', config, flags=re.MULTILINE)
    group = f"instance_group [ {{ count: 1, kind: KIND_GPU, profile: [ {listed} ] }} ]"
    return re.sub(r"^instance_group .*$", group, config, flags=re.MULTILINE)


def _build(trt: Any, logger: Any, graph: Path, recipe: Recipe, timing_cache: Path) -> Any:
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(graph)):
        raise ExportError(f"TensorRT cannot read {graph}: {parser.get_error(0).desc()}")
    config = _config(trt, builder, recipe, timing_cache)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ExportError(f"TensorRT built no plan of {graph}: {logger.last_error}")
    if _times_kernels(trt):
        _keep_timings(config, timing_cache)
    return plan


def _config(trt: Any, builder: Any, recipe: Recipe, timing_cache: Path) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, recipe.workspace_mb << 20)
    if recipe.refittable:
        config.set_flag(trt.BuilderFlag.REFIT)
    for one in recipe.profiles:
        profile = builder.create_optimization_profile()
        for name, (smallest, usual, largest) in one.items():
            profile.set_shape(name, smallest, usual, largest)
        config.add_optimization_profile(profile)
    if _times_kernels(trt):
        known = timing_cache.read_bytes() if timing_cache.is_file() else b""
        config.set_timing_cache(config.create_timing_cache(known), ignore_mismatch=False)
    return config


def _times_kernels(trt: Any) -> bool:
    """TensorRT for RTX times nothing when it builds: it chooses kernels on the machine that runs the plan."""
    return bool(trt.__name__ == "tensorrt")


def _keep_timings(config: Any, path: Path) -> None:
    cache = config.get_timing_cache()
    beside = path.with_name(path.name + ".tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside.write_bytes(memoryview(cache.serialize()))
    beside.replace(path)


def _gpu() -> str:
    """Name and compute capability of the machine's first GPU, which a plan of `tensorrt` is bound to."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return "none"
    command = [program, "--query-gpu=name,compute_cap", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip().partition("\n")[0] or "none"


@contextmanager
def _logger(trt: Any, path: Path) -> Iterator[Any]:
    """One that writes every line to a file and remembers the last error."""

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last_error = "see its log"

        def log(self, severity: Any, message: str) -> None:
            file.write(f"{severity.name} {message}\n")
            if severity <= trt.ILogger.Severity.ERROR:
                self.last_error = " ".join(message.split())[:300]

    with path.open("w") as file:
        yield Logger()
