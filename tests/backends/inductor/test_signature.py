from typing import Any

import pytest
from batching import BadTensors
from signature import Signature

RECORD: dict[str, Any] = {
    "axes": {
        "batch": {"least": 1, "most": 4, "step": 1},
        "height": {"least": 8, "most": 168, "step": 8},
        "tokens": {"least": 77, "most": 308, "step": 77},
    },
    "inputs": {
        "latents": {"dtype": "float32", "dims": ["batch", 4, "height"]},
        "embeddings": {"dtype": "float32", "dims": ["batch", "tokens"]},
        "negative_embeddings": {"dtype": "float32", "dims": ["batch", "tokens"]},
    },
}
GOOD = {
    "latents": ("float32", (2, 4, 96)),
    "embeddings": ("float32", (2, 154)),
    "negative_embeddings": ("float32", (2, 154)),
}


def test_batch_size_is_read() -> None:
    assert Signature.of_record(RECORD).check(GOOD) == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"latents": ("float16", (2, 4, 96))}, "input latents: expected float32, got float16"),
        ({"latents": ("float32", (2, 4))}, r"input latents: expected 3 axes, got shape \[2, 4\]"),
        ({"latents": ("float32", (2, 5, 96))}, "input latents: expected a size of 4, got 5"),
        ({"latents": ("float32", (2, 4, 100))}, "height must be 8 to 168 in steps of 8, got 100"),
        ({"latents": ("float32", (2, 4, 176))}, "height must be 8 to 168 in steps of 8, got 176"),
        ({"latents": ("float32", (2, 4, 0))}, "height must be 8 to 168 in steps of 8, got 0"),
        ({"latents": ("float32", (5, 4, 96))}, "batch must be 1 to 4, got 5"),
        ({"embeddings": ("float32", (2, 77))}, "tokens is 154, and 77 in another input"),
        ({"embeddings": ("float32", (1, 154))}, "batch is 1, and 2 in another input"),
    ],
)
def test_tensor_that_does_not_fit_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(BadTensors, match=told):
        Signature.of_record(RECORD).check(GOOD | change)


def test_missing_tensor_is_refused() -> None:
    with pytest.raises(BadTensors, match="input latents is missing"):
        Signature.of_record(RECORD).check({name: one for name, one in GOOD.items() if name != "latents"})
