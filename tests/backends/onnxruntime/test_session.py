from pathlib import Path

import numpy as np
import pytest
from batching import TensorRule
from session import Session


@pytest.fixture
def decoder(tiny_repository: Path) -> Session:
    return Session(str(tiny_repository / "tiny-decoder" / "1" / "model.onnx"), {"intra_op_thread_count": "1"})


def test_a_networks_own_declaration_is_the_rule(decoder: Session) -> None:
    assert decoder.inputs == {"latents": TensorRule(np.dtype(np.float32), (None, 4, None, None))}
    assert decoder.outputs == ["image"]


def test_a_network_runs(decoder: Session) -> None:
    latents = np.zeros((2, 4, 3, 5), np.float32)
    latents[1, 0, 2, 4] = 1.0
    image = decoder.run({"latents": latents})["image"]
    assert image.shape == (2, 24, 40, 3) and image.dtype == np.uint8
    assert image[0].tolist() == np.full((24, 40, 3), 128).tolist()
    assert image[1, 23, 39].tolist() == [168, 128, 128]


@pytest.mark.parametrize(
    "parameters",
    [{"enable_mem_arena": "0"}, {"memory.enable_memory_arena_shrinkage": "cpu:0;gpu:0"}],
    ids=["no arena", "shrinkage"],
)
def test_a_network_runs_with_other_ways_to_keep_memory(
    tiny_repository: Path, parameters: dict[str, str]
) -> None:
    path = tiny_repository / "tiny-decoder" / "1" / "model.onnx"
    session = Session(str(path), parameters | {"intra_op_thread_count": "1"})
    assert session.run({"latents": np.zeros((1, 4, 2, 2), np.float32)})["image"].shape == (1, 16, 16, 3)


def test_a_thread_count_that_is_no_number_stops_the_load(tiny_repository: Path) -> None:
    path = tiny_repository / "tiny-decoder" / "1" / "model.onnx"
    with pytest.raises(ValueError, match="invalid literal"):
        Session(str(path), {"intra_op_thread_count": "many"})
