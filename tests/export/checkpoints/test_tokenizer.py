import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from transformers import CLIPTextConfig

from export.checkpoints.tokenizer import open_tokenizer
from export.errors import ExportError
from tests.export.tiny import BEGIN, END, PAD, VOCABULARY, text_config, tokenizer

CONFIG: CLIPTextConfig = text_config(32, eos_token_id=VOCABULARY[END])


def test_tokenizer_is_kept_with_its_pad_token(repository: Path) -> None:
    pipeline = json.loads((repository / "eros-denoiser" / "pipeline.json").read_text())
    assert (pipeline["pad_token"], pipeline["pad_token_2"]) == (VOCABULARY[END], VOCABULARY[PAD])
    for name in ("tokenizer", "tokenizer_2"):
        kept = Tokenizer.from_file(str(repository / "eros-text-encoder" / name / "tokenizer.json"))
        assert kept.encode("a Fox, reading").tokens == [BEGIN, "a", "fox", ",", "reading", END]


def test_published_layout_of_vocabulary_and_merges_is_converted(tmp_path: Path) -> None:
    letters = ["a", "f", "o", "x", "a</w>", "f</w>", "o</w>", "x</w>", "fo", "fox</w>"]
    vocabulary = {word: number for number, word in enumerate([PAD, *letters, BEGIN, END])}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nf o\nfo x</w>\n")
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"pad_token": PAD}))
    config = text_config(32, eos_token_id=2)
    opened = open_tokenizer(tmp_path, config)
    assert opened.tokenizer.encode("a FOX").tokens == [BEGIN, "a</w>", "fox</w>", END]
    assert opened.pad == 0


def test_padding_and_cutting_are_left_to_the_caller(tmp_path: Path) -> None:
    cutting = tokenizer(PAD)
    cutting.backend_tokenizer.enable_truncation(4)
    cutting.backend_tokenizer.enable_padding(length=8)
    cutting.save_pretrained(tmp_path)
    assert len(open_tokenizer(tmp_path, CONFIG).tokenizer.encode("a fox under a tree").ids) == 7


def test_end_of_text_that_the_encoder_does_not_look_for_is_refused(tmp_path: Path) -> None:
    tokenizer(PAD).save_pretrained(tmp_path)
    with pytest.raises(ExportError, match="but its text encoder looks for 7"):
        open_tokenizer(tmp_path, text_config(32, eos_token_id=7))


def test_broken_tokenizer_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ExportError, match="Cannot read") as caught:
        open_tokenizer(tmp_path, CONFIG)
    assert "\n" not in str(caught.value)
