"""TensorRT plans beside the graphs that they are made of: built, or refitted from a model's own.

One strongly typed network for each part, and in it one optimisation profile for each size of picture, so that
a request runs in kernels chosen for its own size.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx

from export.engines.builder import Builder, build, load_builder
from export.engines.machine import check_builds_like, read_record
from export.engines.recipe import Recipe
from export.engines.refit import refit
from export.errors import ExportError
from export.graphs.storage import MODEL_FILE, PLAN_FILE, PLAN_RECORD_FILE, graph_digest
from export.graphs.weight_names import parameter_of
from export.repository.triton_config import bound_windows, for_engine

LOG_FILE = "build.log"
TIMING_CACHE = ".timing.cache"  # in the repository; Triton loads no file of it


def add_plan(model: Path, recipe: Recipe, timing_cache: Path, builder: Builder | None = None) -> None:
    """Builds the plan of the graph in a model's folder, and has Triton's tensorrt backend run it.

    Writes 1/model.plan, build.log and plan.json, and changes config.pbtxt and pipeline.json. The graph stays:
    LoRAs are merged into it. Raises ExportError with what the builder said; the folder is then the caller's
    to drop.
    """
    builder = builder or load_builder()
    plan = build(builder, model / "1" / MODEL_FILE, recipe, timing_cache, model / LOG_FILE)
    _write(model, plan, recipe, builder, {"made": "built"})


def check_character_plan(base: Path, builder: Builder | None = None) -> None:
    """Raises ExportError where a character of `base` could not be made here. `base` may have no plan."""
    if read_record(base) is not None:
        check_builds_like(base, (builder or load_builder()).machine)


def add_character_plan(
    model: Path, base: Path, changed: Iterable[str], timing_cache: Path, builder: Builder | None = None
) -> None:
    """As `add_plan`, by the recipe of the model's own plan in `base`; nothing where that one has none.

    Refitted from it where it can be, else built. `changed`: paths of the layers that the LoRA changed.
    """
    record = read_record(base)
    if record is None:
        return
    builder = builder or load_builder()
    check_builds_like(base, builder.machine)
    recipe = _recipe(base, record)
    if not (recipe.refittable and builder.can_refit):
        add_plan(model, recipe, timing_cache, builder)
        return
    base_plan, graph = base / "1" / PLAN_FILE, model / "1" / MODEL_FILE
    try:
        plan = refit(builder, base_plan, graph, _initialisers(graph, changed), model / LOG_FILE)
    except ExportError as error:
        plan = build(builder, graph, recipe, timing_cache, model / LOG_FILE)
        made = {"made": "built", "not_refitted": str(error)}
    else:
        made = {"made": "refitted", "refitted_from_sha256": _sha256(base_plan)}
    _write(model, plan, recipe, builder, made)


def _recipe(model: Path, record: dict[str, Any]) -> Recipe:
    try:
        return Recipe(**record["recipe"])
    except (KeyError, TypeError):
        raise ExportError(
            f"{model / PLAN_RECORD_FILE} has no recipe that is known: export the model again"
        ) from None


def _initialisers(graph: Path, changed: Iterable[str]) -> frozenset[str]:
    layers = set(changed)
    held = onnx.load(os.fspath(graph), load_external_data=False).graph.initializer
    return frozenset(one.name for one in held if parameter_of(one.name)[0].removesuffix(".weight") in layers)


def _write(model: Path, plan: memoryview, recipe: Recipe, builder: Builder, made: dict[str, str]) -> None:
    (model / "1" / PLAN_FILE).write_bytes(plan)
    record = {
        **asdict(builder.machine),
        "onnx_sha256": graph_digest(model),
        **made,
        "recipe": asdict(recipe),
    }
    (model / PLAN_RECORD_FILE).write_text(json.dumps(record, indent=2) + "\n")
    bound_windows(model)
    config = model / "config.pbtxt"
    config.write_text(for_tensorrt(config.read_text(), recipe))


def for_tensorrt(config: str, recipe: Recipe) -> str:
    """The same config.pbtxt for Triton's tensorrt backend, with an execution context for every profile."""
    profiles = ", ".join(f'"{number}"' for number in range(len(recipe.profiles)))
    group = f"{{ count: 1, kind: KIND_GPU, profile: [ {profiles} ] }}"
    return for_engine(config, "tensorrt", recipe.batch, group)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
