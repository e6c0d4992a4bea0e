"""`tensorrt` on a machine with a GPU, as far as export calls it. A plan is JSON: which weights, built how.

Its classes have the names and methods of NVIDIA's library; test_refit.py holds the two together.
"""

import hashlib
import json
from enum import IntEnum
from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper

from export.engines.builder import Builder
from export.engines.machine import Machine

H100 = "NVIDIA H100 80GB HBM3, 9.0"


class Severity(IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class ILogger:
    Severity = Severity

    def log(self, severity: IntEnum, message: str) -> None:
        raise NotImplementedError


class Said:
    def __init__(self, text: str) -> None:
        self.text = text

    def desc(self) -> str:
        return self.text


class Buffer(bytes):
    """What serialize() gives."""


class TimingCache:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> Buffer:
        return Buffer(self.content + b"t")


class Config:
    def __init__(self) -> None:
        self.flags: list[int] = []
        self.pools: dict[str, int] = {}
        self.profiles: list[dict[str, Any]] = []
        self.cache: TimingCache | None = None

    def set_flag(self, flag: int) -> None:
        self.flags.append(flag)

    def set_memory_pool_limit(self, pool: str, pool_size: int) -> None:
        self.pools[pool] = pool_size

    def add_optimization_profile(self, profile: "Profile") -> int:
        self.profiles.append(profile.shapes)
        return len(self.profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: bytes) -> TimingCache:
        return TimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
        if cache.content.strip(b"t"):  # of another version
            return False
        self.cache = cache
        return True

    def get_timing_cache(self) -> TimingCache | None:
        return self.cache


class Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, Any] = {}

    def set_shape(self, name: str, smallest: Any, usual: Any, largest: Any) -> None:
        self.shapes[name] = [smallest, usual, largest]


class Network:
    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.weights: dict[str, str] = {}


def weights_of(path: str) -> dict[str, str]:
    """Name → hash of its value."""
    graph = onnx.load(path).graph
    return {
        one.name: hashlib.sha256(numpy_helper.to_array(one).tobytes()).hexdigest()
        for one in graph.initializer
    }


class Engine:
    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan

    def serialize(self) -> Buffer:
        return Buffer(json.dumps(self.plan, sort_keys=True).encode())


class FakeTensorRT:
    """`forgets`: a weight that its refitter leaves as it was. `unknown`: one that its plans fold away."""

    __version__ = "10.13.0"
    ILogger = ILogger

    class NetworkDefinitionCreationFlag(IntEnum):
        STRONGLY_TYPED = 1

    class MemoryPoolType:
        WORKSPACE = "workspace"

    class BuilderFlag(IntEnum):
        REFIT = 4

    def __init__(self, forgets: str = "", unknown: str = "") -> None:
        self.built: list[Config] = []
        trt = self

        class FakeBuilder:
            def __init__(self, logger: ILogger) -> None:
                logger.log(Severity.INFO, "building")

            def create_network(self, flags: int) -> Network:
                return Network(flags)

            def create_builder_config(self) -> Config:
                return Config()

            def create_optimization_profile(self) -> Profile:
                return Profile()

            def build_serialized_network(self, network: Network, config: Config) -> Buffer:
                trt.built.append(config)
                held = {name: value for name, value in network.weights.items() if name != unknown}
                return Engine({"weights": held, "refit": trt.BuilderFlag.REFIT in config.flags}).serialize()

        class OnnxParser:
            num_errors = 1

            def __init__(self, network: Network, logger: ILogger) -> None:
                self.network = network

            def parse_from_file(self, model: str) -> bool:
                self.network.weights = weights_of(model)
                return True

            def get_error(self, index: int) -> Said:
                return Said("no graph")

        class Runtime:
            def __init__(self, logger: ILogger) -> None:
                self.logger = logger

            def deserialize_cuda_engine(self, serialized_engine: bytes) -> Engine | None:
                try:
                    return Engine(json.loads(serialized_engine))
                except ValueError:
                    self.logger.log(Severity.ERROR, "magic tag does not match")
                    return None

        class Refitter:
            def __init__(self, engine: Engine, logger: ILogger) -> None:
                self.engine = engine
                self.set: dict[str, str] = {}

            def get_all_weights(self) -> list[str]:
                return list(self.engine.plan["weights"]) if self.engine.plan["refit"] else []

            def get_named_weights(self, weights_name: str) -> Any:
                return Sized(1 if weights_name in self.set else 0)

            def get_missing_weights(self) -> list[str]:
                return []

            def refit_cuda_engine(self) -> bool:
                self.engine.plan["weights"].update(self.set)
                return True

        class OnnxParserRefitter:
            num_errors = 0

            def __init__(self, refitter: Refitter, logger: ILogger) -> None:
                self.refitter = refitter

            def refit_from_file(self, model: str) -> bool:
                held = self.refitter.get_all_weights()
                found = weights_of(model).items()
                self.refitter.set = {name: value for name, value in found if name in held and name != forgets}
                return True

            def get_error(self, index: int) -> Said:
                return Said("a weight is missing")

        self.Builder, self.OnnxParser, self.Runtime = FakeBuilder, OnnxParser, Runtime
        self.Refitter, self.OnnxParserRefitter = Refitter, OnnxParserRefitter


class Sized:
    def __init__(self, size: int) -> None:
        self.size = size


def builder(trt: FakeTensorRT | None = None, gpu: str = H100, version: str = "10.13.0") -> Builder:
    return Builder(trt or FakeTensorRT(), Machine(builder="tensorrt", version=version, gpu=gpu))


def plan_of(model: Path) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((model / "1" / "model.plan").read_bytes())
    return plan
