"""The configs that are written by hand say what the contract says."""

import re
from pathlib import Path

import pytest

from contract.parts import MODEL_CONTROL_PART, TEXT_TO_IMAGE_PART, ModelPart, TensorSpec, prompt_encoder

REPOSITORY = Path(__file__).parents[2] / "model_repository"
TENSOR = re.compile(r'\{ name: "(\w+)", data_type: TYPE_(\w+), dims: \[ ([-\d, ]+) \](, optional: true)? \}')


def declared(tensors: tuple[TensorSpec, ...]) -> list[tuple[str, str, list[int], bool]]:
    return [
        (one.name, one.dtype, [dim if isinstance(dim, int) else -1 for dim in one.dims], one.optional)
        for one in tensors
    ]


def configured(text: str) -> list[tuple[str, str, list[int], bool]]:
    return [
        (name, kind, [int(dim) for dim in dims.split(",")], bool(optional))
        for name, kind, dims, optional in TENSOR.findall(text)
    ]


@pytest.mark.parametrize("part", [TEXT_TO_IMAGE_PART, MODEL_CONTROL_PART, prompt_encoder(dimension=384)])
def test_config_says_the_same_as_the_declaration(part: ModelPart) -> None:
    inputs, outputs = (REPOSITORY / part.name / "config.pbtxt").read_text().split("output [")
    assert f'name: "{part.name}"' in inputs
    assert configured(inputs) == declared(part.inputs)
    assert configured(outputs) == declared(part.outputs)


def test_free_axes_are_counted_behind_the_batch() -> None:
    tensor = TensorSpec("latents", "FP32", (4, "height", "width"))
    assert tensor.dynamic_axes == {0: "batch", 2: "height", 3: "width"}
    assert tensor.example_shape({"batch": 2, "height": 9, "width": 11}) == (2, 4, 9, 11)
