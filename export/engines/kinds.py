"""What Triton runs of an exported graph: one row for each kind of engine."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from export.engines import inductor
from export.engines.builder import load_builder
from export.engines.plan import TIMING_CACHE, add_plan
from export.engines.recipe import Recipe, Wish
from export.networks.networks import Network
from export.networks.precision import Precision

EngineName = Literal["onnx", "tensorrt", "inductor"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What an engine is made of, beside the folder that has the graph and its config.pbtxt."""

    network: Network  # in the precision of the export
    downscale: int  # pixels per latent
    wish: Wish
    repository: Path


@dataclass(frozen=True)
class Kind:
    precision: Callable[[], Precision]  # where none is asked for
    made_by: Callable[[], Mapping[str, str]]  # versions and machine; ExportError where it cannot be made here
    add: Callable[[Path, Order], None]  # into a model's folder


def _add_plan(folder: Path, order: Order) -> None:
    builder = load_builder()
    recipe = Recipe.of(order.network.part, order.wish, order.downscale, refittable=builder.can_refit)
    add_plan(folder, recipe, order.repository / TIMING_CACHE, builder)


def _add_package(folder: Path, order: Order) -> None:
    inductor.add_package(folder, order.network, order.wish, order.downscale)


KINDS: Mapping[EngineName, Kind] = {
    "onnx": Kind(lambda: "fp32", dict, lambda folder, order: None),
    "tensorrt": Kind(lambda: "fp16", lambda: asdict(load_builder().machine), _add_plan),
    "inductor": Kind(inductor.usual_precision, inductor.made_by, _add_package),
}
