"""The encoder that is shipped, without Triton around it."""

import re
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from batching import Arrays, BadTensors
from encoder import TextEmbedder
from tokenizers import Tokenizer

from contract.limits import MAX_ENCODER_BYTES

SHIPPED = Path(__file__).resolve().parents[3] / "model_repository" / "prompt-encoder"
COMPARED = SHIPPED.parents[1] / "export" / "prompt_encoder" / "encoder_prompts.txt"
PROMPTS = COMPARED.read_text(encoding="utf-8").splitlines()
# Similarities by torch, in fp32. 8 bits may change them by as much as the export allows.
PAIRS = [
    ("red dress", "blue dress", 0.684),
    ("a woman in a red dress", "a woman in a blue dress", 0.566),
    ("two dogs in a park", "three dogs in a park", 0.807),
    ("a man with a hat", "a man without a hat", 0.812),
    ("with a hat", "without a hat", 0.849),
    ("1girl, smile, library, rain, long hair", "rain, long hair, library, 1girl, smile", 0.970),
    ("a ship in a storm", "a ship during a storm", 0.982),
    ("a cat", "a spaceship landing on a red planet", 0.090),
]
TOLERANCE = 0.02


@pytest.fixture(scope="module")
def encoder() -> TextEmbedder:
    return TextEmbedder(SHIPPED, "1", {"intra_op_thread_count": "1"})


def texts(*wanted: str | bytes) -> Arrays:
    rows = [[text if isinstance(text, bytes) else text.encode()] for text in wanted]
    return {"text": np.array(rows, dtype=object)}


def encode(encoder: TextEmbedder, *wanted: str) -> npt.NDArray[np.float32]:
    assert encoder.check(texts(*wanted)) == len(wanted)
    return encoder.run(texts(*wanted))["embedding"].astype(np.float32)


@pytest.mark.parametrize(("one", "other", "similarity"), PAIRS)
def test_similarities_are_those_of_torch(
    encoder: TextEmbedder, one: str, other: str, similarity: float
) -> None:
    first, second = encode(encoder, one, other)
    assert float(first @ second) == pytest.approx(similarity, abs=TOLERANCE)


def test_a_prompt_has_the_same_vector_in_any_company(encoder: TextEmbedder) -> None:
    together = encode(encoder, *PROMPTS)
    alone = np.concatenate([encode(encoder, text) for text in PROMPTS])
    assert np.abs(together - alone).max() < 1e-6
    assert np.linalg.norm(alone, axis=1) == pytest.approx(np.ones(len(PROMPTS)), abs=1e-5)


def test_what_follows_the_256th_token_does_not_count(encoder: TextEmbedder) -> None:
    first, second, shorter = encode(encoder, "fox " * 254 + "sea", "fox " * 254 + "tree " * 99, "fox " * 253)
    assert np.array_equal(first, second)
    assert np.abs(first - shorter).max() > 1e-6


@pytest.mark.parametrize("text", ["", " ", "\x00", "🦊🌳", "\U0001d160" * 4000, "x" * MAX_ENCODER_BYTES])
def test_any_text_has_a_vector(encoder: TextEmbedder, text: str) -> None:
    (vector,) = encode(encoder, text)
    assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (texts("fine", b"\xff\xfe"), "text is not valid UTF-8"),
        (
            texts("x" * MAX_ENCODER_BYTES + "x"),
            f"text has {MAX_ENCODER_BYTES + 1} bytes; at most {MAX_ENCODER_BYTES} are taken",
        ),
        ({"text": np.array([b"fox"], dtype=object)}, "expected input text of shape [N, 1]"),
        ({"text": np.empty((0, 1), dtype=object)}, "expected input text of shape [N, 1]"),
        ({}, "expected input text of shape [N, 1]"),
    ],
)
def test_what_is_no_text_is_refused(encoder: TextEmbedder, arrays: Arrays, message: str) -> None:
    with pytest.raises(BadTensors, match=re.escape(message)):
        encoder.check(arrays)


def test_another_tokenizer_makes_another_encoder(encoder: TextEmbedder, tmp_path: Path) -> None:
    changed = shutil.copytree(SHIPPED, tmp_path / "encoder")
    tokenizer = Tokenizer.from_file(str(changed / "tokenizer.json"))
    tokenizer.enable_truncation(100)
    tokenizer.save(str(changed / "tokenizer.json"))
    names = {
        bytes(each.run(texts("fox"))["encoder"][0, 0])
        for each in (encoder, TextEmbedder(SHIPPED, "1", {}), TextEmbedder(changed, "1", {}))
    }
    assert len(names) == 2 and all(re.fullmatch(rb"[0-9a-f]{64}", name) for name in names)


@pytest.mark.parametrize("wrong", ["does not cut", "pads"])
def test_a_tokenizer_without_bound_is_refused(tmp_path: Path, wrong: str) -> None:
    changed = shutil.copytree(SHIPPED, tmp_path / "encoder")
    tokenizer = Tokenizer.from_file(str(changed / "tokenizer.json"))
    if wrong == "pads":
        tokenizer.enable_padding()
    else:
        tokenizer.no_truncation()
    tokenizer.save(str(changed / "tokenizer.json"))
    with pytest.raises(ValueError, match="must cut at 3 to 512 tokens, and not pad"):
        TextEmbedder(changed, "1", {})
