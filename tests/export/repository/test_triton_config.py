import re
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from contract.limits import MAX_BATCH
from contract.parts import TensorSpec
from export.checkpoints.checkpoint import Checkpoint
from export.errors import ExportError
from export.networks.networks import networks_of
from export.repository.triton_config import check_name, config_of, rename_config

TYPES = {TensorProto.FLOAT: "FP32", TensorProto.INT64: "INT64", TensorProto.UINT8: "UINT8"}
TENSOR = re.compile(r'\{ name: "(\w+)", data_type: TYPE_(\w+), dims: \[ ([-\d, ]+) \] \}')


def declared(tensors: tuple[TensorSpec, ...]) -> list[tuple[str, str, list[int]]]:
    return [
        (tensor.name, tensor.dtype, [-1 if isinstance(dim, str) else dim for dim in tensor.dims])
        for tensor in tensors
    ]


def in_graph(values: list[onnx.ValueInfoProto]) -> list[tuple[str, str, list[int]]]:
    """Without the batch axis, which must be dynamic."""
    found = []
    for value in values:
        kind = value.type.tensor_type
        batch, *dims = [dim.dim_value or -1 for dim in kind.shape.dim]
        assert batch == -1
        found.append((value.name, TYPES[kind.elem_type], dims))
    return found


def in_config(text: str) -> list[tuple[str, str, list[int]]]:
    return [(name, kind, [int(dim) for dim in dims.split(",")]) for name, kind, dims in TENSOR.findall(text)]


def test_declaration_config_and_graph_say_the_same(tiny: Checkpoint, repository: Path) -> None:
    for network in networks_of(tiny):
        part = network.part
        folder = repository / f"eros-{part.name}"
        graph = onnx.load(folder / "1" / "model.onnx").graph
        assert in_graph(graph.input) == declared(part.inputs)
        assert in_graph(graph.output) == declared(part.outputs)
        config = (folder / "config.pbtxt").read_text()
        assert config == config_of(folder.name, part)
        before, after = config.split("output [")
        assert in_config(before) == declared(part.inputs)
        assert in_config(after) == declared(part.outputs)


def test_config_names_backend_batching_and_model(repository: Path) -> None:
    config = (repository / "eros-denoiser" / "config.pbtxt").read_text()
    assert config.startswith('name: "eros-denoiser"\nbackend: "onnxruntime"\n')
    assert f"max_batch_size: {MAX_BATCH}\n" in config
    assert "dynamic_batching { max_queue_delay_microseconds: 0 }" in config
    assert config.count("{") == config.count("}")


def test_renamed_config_differs_in_the_name_only(repository: Path) -> None:
    config = (repository / "eros-denoiser" / "config.pbtxt").read_text()
    other = rename_config(config, "eros-denoiser--aya")
    assert other.splitlines()[0] == 'name: "eros-denoiser--aya"'
    assert other.splitlines()[1:] == config.splitlines()[1:]


@pytest.mark.parametrize("name", ["", "Eros", "../eros", "a--b", "-a", "a_b", "a" * 65])
def test_name_that_is_no_folder_or_reads_as_a_character_is_refused(name: str) -> None:
    with pytest.raises(ExportError, match="Invalid name"):
        check_name(name)
