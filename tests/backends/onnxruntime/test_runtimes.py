"""Which runtime a network gets, and that all of them compute the same."""

from pathlib import Path

import numpy as np
import openvino_session
import pytest
from batching import Arrays, TensorRule
from openvino_session import OpenVinoSession, has_bf16
from runtimes import Runtime, open_network, runtimes
from session import Session

from tests.triton_server import DEMO

ONE_THREAD = {"intra_op_thread_count": "1"}
EVERY = ["openvino in bf16", "openvino in f32", "onnxruntime in f32"]
F32 = {"IMGEN_CPU_RUNTIME": "openvino", "IMGEN_CPU_PRECISION": "f32"}


@pytest.fixture
def decoder(tiny_repository: Path) -> Path:
    return tiny_repository / "tiny-decoder" / "1" / "model.onnx"


@pytest.fixture
def lines() -> list[str]:
    return []


def latents(batch: int = 2) -> Arrays:
    return {"latents": np.random.default_rng(7).standard_normal((batch, 4, 3, 5), np.float32)}


@pytest.mark.parametrize(
    ("environ", "order"),
    [
        ({}, EVERY),
        ({"IMGEN_CPU_RUNTIME": "", "IMGEN_CPU_PRECISION": "auto"}, EVERY),
        ({"IMGEN_CPU_PRECISION": "f32"}, ["openvino in f32", "onnxruntime in f32"]),
        ({"IMGEN_CPU_RUNTIME": "openvino"}, ["openvino in bf16", "openvino in f32"]),
        ({"IMGEN_CPU_RUNTIME": "onnxruntime"}, ["onnxruntime in f32"]),
        (F32, ["openvino in f32"]),
    ],
)  # fmt: skip
def test_what_is_fixed_is_not_departed_from(environ: dict[str, str], order: list[str]) -> None:
    assert [str(one) for one in runtimes(environ, {})] == order


def test_what_the_machine_lacks_is_passed_over_and_named_where_it_is_fixed() -> None:
    assert [str(one) for one in runtimes({}, {"bf16": "why"})] == EVERY[1:]
    assert [str(one) for one in runtimes({}, {"openvino": "why"})] == EVERY[2:]
    with pytest.raises(ValueError, match="IMGEN_CPU_RUNTIME=auto IMGEN_CPU_PRECISION=bf16: no bfloat16"):
        runtimes({"IMGEN_CPU_PRECISION": "bf16"}, {"bf16": "no bfloat16"})
    with pytest.raises(ValueError, match="IMGEN_CPU_RUNTIME=openvino IMGEN_CPU_PRECISION=auto: it is gone"):
        runtimes({"IMGEN_CPU_RUNTIME": "openvino"}, {"openvino": "it is gone"})


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"IMGEN_CPU_RUNTIME": "cuda"}, "IMGEN_CPU_RUNTIME: expected auto, openvino, onnxruntime, got cuda"),
        ({"IMGEN_CPU_PRECISION": "fp8"}, "IMGEN_CPU_PRECISION: expected auto, f32, bf16, got fp8"),
        ({"IMGEN_CPU_RUNTIME": "onnxruntime", "IMGEN_CPU_PRECISION": "bf16"}, "needs .*=openvino"),
    ],
)  # fmt: skip
def test_a_choice_that_is_none_is_refused(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        runtimes(environ, {})


def test_the_machine_chooses_what_it_can(decoder: Path, lines: list[str]) -> None:
    network = open_network(decoder, ONE_THREAD, {}, lines.append)
    precision = "bf16" if has_bf16() else "f32"
    assert network.runtime == f"{openvino_session.LIBRARY} {precision}"
    assert not lines


def test_both_runtimes_declare_and_draw_the_same(decoder: Path, lines: list[str]) -> None:
    theirs = Session(str(decoder), ONE_THREAD)
    ours = open_network(decoder, ONE_THREAD, F32, lines.append)
    assert isinstance(ours, OpenVinoSession)
    assert (
        ours.inputs == theirs.inputs == {"latents": TensorRule(np.dtype(np.float32), (None, 4, None, None))}
    )
    assert ours.outputs == theirs.outputs
    one, other = (each.run(latents())["image"] for each in (ours, theirs))
    assert one.dtype == other.dtype == np.uint8
    assert np.abs(one.astype(int) - other).max() <= 1
    assert not lines


def test_alone_equals_in_a_batch_to_the_bit(decoder: Path, lines: list[str]) -> None:
    network = open_network(decoder, ONE_THREAD, F32, lines.append)
    together = latents(5)["latents"]
    batch = network.run({"latents": together})["image"]
    for index in range(5):
        alone = network.run({"latents": together[index : index + 1]})["image"]
        assert (alone[0] == batch[index]).all()


def test_what_one_run_made_stays_after_the_next(decoder: Path, lines: list[str]) -> None:
    network = open_network(decoder, ONE_THREAD, F32, lines.append)
    first = network.run(latents())["image"]
    kept = first.copy()
    network.run({"latents": np.zeros((2, 4, 3, 5), np.float32)})
    assert (first == kept).all()


def test_what_openvino_cannot_run_goes_to_onnxruntime_or_fails_in_one_line(
    tmp_path: Path, lines: list[str]
) -> None:
    broken = tmp_path / "odd-decoder" / "1" / "model.onnx"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no graph")
    with pytest.raises(Exception, match="INVALID_PROTOBUF"):
        open_network(broken, ONE_THREAD, {}, lines.append)
    tried = EVERY[:2] if has_bf16() else EVERY[1:2]
    assert [line.partition(" cannot")[0] for line in lines] == tried
    assert all("\n" not in line for line in lines)


def test_a_runtime_is_named_by_library_and_precision(decoder: Path) -> None:
    assert str(Runtime("openvino", "bf16")) == "openvino in bf16"
    assert Session(str(decoder), ONE_THREAD).runtime.startswith("onnxruntime 1.")


def test_tensors_keep_the_names_of_the_graph_in_a_network_with_folded_ends(
    tmp_path: Path, lines: list[str]
) -> None:
    """Those of the demo's decoder begin with a sum and a product that do nothing."""
    for part in ("text-encoder", "denoiser", "decoder"):
        path = DEMO / "models" / f"eros-{part}" / "1" / "model.onnx"
        theirs = Session(str(path), ONE_THREAD)
        for _ in range(2):  # compiled, then kept
            environ = F32 | {"IMGEN_COMPILED_DIR": str(tmp_path)}
            ours = open_network(path, ONE_THREAD, environ, lines.append)
            assert dict(ours.inputs) == theirs.inputs and ours.outputs == theirs.outputs
    assert not lines
