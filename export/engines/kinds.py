"""What Triton runs of an exported graph: one row for each kind of engine."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from export.engines import inductor
from export.engines.builder import load_builder
from export.engines.plan import TIMING_CACHE, add_plan
from export.engines.recipe import EngineOptions, Recipe
from export.networks.networks import Network
from export.networks.precision import Precision

EngineName = Literal["onnx", "tensorrt", "inductor"]


@dataclass(frozen=True, kw_only=True)
class EngineOrder:
    """What an engine is made of, beside the folder that has the graph and its config.pbtxt."""

    network: Network  # in the precision of the export
    downscale: int  # pixels per latent
    engine_options: EngineOptions
    repository: Path


@dataclass(frozen=True)
class EngineKind:
    precision: Callable[[], Precision]  # where none is asked for
    describe_builder: Callable[
        [], Mapping[str, str]
    ]  # versions and machine; ExportError where it cannot be made here
    add: Callable[[Path, EngineOrder], None]  # into a model's folder


def _add_plan(folder: Path, order: EngineOrder) -> None:
    builder = load_builder()
    recipe = Recipe.of(
        order.network.part, order.engine_options, order.downscale, refittable=builder.can_refit
    )
    add_plan(folder, recipe, order.repository / TIMING_CACHE, builder)


def _add_package(folder: Path, order: EngineOrder) -> None:
    inductor.add_package(folder, order.network, order.engine_options, order.downscale)


KINDS: Mapping[EngineName, EngineKind] = {
    "onnx": EngineKind(lambda: "fp32", dict, lambda folder, order: None),
    "tensorrt": EngineKind(lambda: "fp16", lambda: asdict(load_builder().machine), _add_plan),
    "inductor": EngineKind(inductor.default_precision, inductor.describe_builder, _add_package),
}
