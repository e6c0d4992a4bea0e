from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from export.checkpoints.checkpoint import Checkpoint
from export.graphs.storage import load_model, save_model, store_fp16
from export.networks.networks import networks_of
from export.networks.trace import EXAMPLE_SIZES, example_inputs
from tests.export.session import run


def test_fp16_file_is_half_as_large_and_computes_the_same(
    tiny: Checkpoint, repository: Path, tmp_path: Path
) -> None:
    """The tiny checkpoint's weights are fp16 numbers, so nothing is rounded; and activations stay fp32."""
    model = load_model(repository / "eros-denoiser" / "1" / "model.onnx")
    before = weight_bytes(model)
    store_fp16(model)
    onnx.checker.check_model(model, full_check=True)
    save_model(model, tmp_path / "1")
    assert weight_bytes(model) < 0.52 * before
    inputs = example_inputs(list(networks_of(tiny))[1].part, EXAMPLE_SIZES)
    np.testing.assert_array_equal(run(tmp_path, inputs)[0], run(repository / "eros-denoiser", inputs)[0])


def test_weight_beyond_fp16_stays_fp32(repository: Path) -> None:
    model = load_model(repository / "eros-denoiser" / "1" / "model.onnx")
    tensor = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
    large = numpy_helper.to_array(tensor) * np.float32(1e8)
    tensor.CopyFrom(numpy_helper.from_array(large, tensor.name))
    store_fp16(model)
    np.testing.assert_array_equal(numpy_helper.to_array(tensor), large)


def test_large_model_keeps_its_weights_in_a_second_file(
    tiny: Checkpoint, repository: Path, tmp_path: Path
) -> None:
    model = load_model(repository / "eros-denoiser" / "1" / "model.onnx")
    save_model(model, tmp_path / "1", one_file_bytes=1_000_000)
    graph, weights = tmp_path / "1" / "model.onnx", tmp_path / "1" / "model.onnx.data"
    assert graph.stat().st_size < weights.stat().st_size
    inputs = example_inputs(list(networks_of(tiny))[1].part, EXAMPLE_SIZES)
    np.testing.assert_array_equal(run(tmp_path, inputs)[0], run(repository / "eros-denoiser", inputs)[0])
    assert weight_bytes(load_model(graph)) == weight_bytes(
        load_model(repository / "eros-denoiser/1/model.onnx")
    )


def weight_bytes(model: onnx.ModelProto) -> int:
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer)
