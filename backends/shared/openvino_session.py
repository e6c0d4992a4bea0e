"""A network in OpenVINO on the CPU: faster than onnxruntime where the processor computes in bfloat16."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openvino
from adapters import check_slots, drop_unused
from batching import Arrays, TensorRule, check
from idle_memory import IdleMemory
from inference import infer
from process_memory import give_back
from vocabulary import check_tokens, vocabularies
from waves import Waves, has_waves

NO_TABLES: Arrays = {}
LIBRARY = f"openvino {openvino.__version__.partition('-')[0]}"


class OpenVinoSession:
    """session.Session's twin; of its parameters `intra_op_thread_count` alone has a meaning here.

    A request's outputs are the same to the bit whether it runs alone or in a batch.
    """

    def __init__(
        self,
        path: str,
        parameters: Mapping[str, str],
        precision: str,
        cache: Path | None = None,
        waves_apart: bool | None = None,
        tables: Arrays = NO_TABLES,
    ) -> None:
        """`precision`: f32 or bf16. `cache`: what was compiled is kept there, and loaded in a moment.
        `tables`: of a bank: inputs of the graph that no request gives, bound here and read where they lie.
        `waves_apart`: None: in bf16 only, where it makes a difference.

        Raises ValueError where this processor does not compute in `precision`.
        """
        core, config = openvino.Core(), _config(parameters, precision)
        kept = config | ({"CACHE_DIR": str(cache)} if cache else {})
        network: str | openvino.Model = path
        self._waves: Waves | None = None
        if precision != "f32" if waves_apart is None else waves_apart:
            model = core.read_model(path)
            if has_waves(model):
                self._waves, network = Waves(core, model, config), model
        compiled = core.compile_model(network, "CPU", kept)
        used = "bf16" if compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.bf16 else "f32"
        if used != precision:
            raise ValueError(f"this processor does not compute in {precision}")
        self.runtime = f"{LIBRARY} {used}"
        self.came_from_cache = bool(compiled.get_property("LOADED_FROM_CACHE"))
        self._request = compiled.create_infer_request()

        def release() -> None:
            compiled.release_memory()
            give_back()  # what lay on the heap, where glibc would keep it

        self._memory = IdleMemory(release)
        self._tables = tables
        places = {_name(port): place for place, port in enumerate(compiled.inputs)}
        for name, table in tables.items():
            self._request.set_input_tensor(places[name], openvino.Tensor(table, shared_memory=True))
        self._feeds = {name: place for name, place in places.items() if name not in tables}
        own = self._waves.names if self._waves else []
        self.inputs = {
            _name(port): _rule(port) for port in compiled.inputs if _name(port) not in (*own, *tables)
        }
        self.outputs = [_name(port) for port in compiled.outputs]
        looks_up = any(np.issubdtype(rule.dtype, np.integer) for rule in self.inputs.values())
        self._vocabularies = vocabularies(core.read_model(path)) if looks_up else {}

    def check(self, arrays: Arrays) -> int:
        """The batch size of one request. Raises BadTensors where it does not fit the network."""
        size = check(arrays, self.inputs)
        check_tokens(arrays, self._vocabularies)
        check_slots(arrays, self._tables)
        return size

    def run(self, inputs: Arrays) -> Arrays:
        """Raises whatever OpenVINO raises; its text can have many lines."""
        given = drop_unused(inputs, self._tables)
        given = {**given, **self._waves.run(given)} if self._waves else given
        feed = {place: np.ascontiguousarray(given[name]) for name, place in self._feeds.items()}
        with self._memory.in_use():
            return dict(zip(self.outputs, infer(self._request, feed), strict=True))


def has_bf16() -> bool:
    """Whether this processor computes in bfloat16 as OpenVINO does: with AMX or AVX-512's instructions."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def processor() -> str:
    """What a compiled network is bound to: its instructions are this processor's."""
    core = openvino.Core()
    known = [core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    limits = [os.environ.get(name, "") for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")]
    return "\n".join(map(str, [*known, *limits, *_flags()]))


def _flags() -> list[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    named = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return sorted(next(named, "").split())


def _config(parameters: Mapping[str, str], precision: str) -> dict[str, object]:
    config: dict[str, object] = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,  # one batch at a time: Triton's batcher joins what waits
        "ENABLE_CPU_PINNING": False,  # several networks share the cores
    }
    if threads := int(parameters.get("intra_op_thread_count") or os.environ.get("IMGEN_ORT_THREADS") or "0"):
        config["INFERENCE_NUM_THREADS"] = threads
    return config


def _name(port: openvino.ConstOutput) -> str:
    """The one in the ONNX graph: a port takes on those of what was folded into it."""
    name: str = port.node.friendly_name.removesuffix("/sink_port_0")
    if name not in port.names:
        raise ValueError(f"no tensor of the graph is called {name}")
    return name


def _rule(port: openvino.ConstOutput) -> TensorRule:
    shape = tuple(None if size.is_dynamic else size.get_length() for size in port.partial_shape)
    return TensorRule(np.dtype(port.element_type.to_dtype()), shape)
