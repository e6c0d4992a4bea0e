"""A CLIP-style byte-level BPE vocabulary (end-of-word suffix `</w>`) learnt from captions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer, CLIPTokenizerFast
from transformers.models.clip.tokenization_clip import bytes_to_unicode

from demo.training.config import TOKEN_WINDOW, VOCABULARY

START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def learn(captions: Iterable[str], folder: Path, pads: tuple[str, str] = (END, "!")) -> tuple[Path, Path]:
    """Writes `tokenizer/` (pads with END) and `tokenizer_2/` (pads with `!`, id 0), as SDXL does."""
    vocabulary, merges = _merges(captions)
    folders = (folder / "tokenizer", folder / "tokenizer_2")
    for target, pad in zip(folders, pads, strict=True):
        _write(target, vocabulary, merges, pad)
    return folders


def load(folder: Path) -> CLIPTokenizerFast:
    return CLIPTokenizerFast.from_pretrained(folder)


def _merges(captions: Iterable[str]) -> tuple[dict[str, int], list[str]]:
    """Vocabulary in CLIP's order: bytes, bytes at a word's end, merges, then the two special tokens last."""
    alphabet = list(bytes_to_unicode().values())
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(pattern=Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 2, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(captions, trainer)
    learnt = [" ".join(pair) for pair in _pairs(tokenizer)]
    pieces = [*alphabet, *(letter + "</w>" for letter in alphabet)]
    room = VOCABULARY - 2 - len(pieces)
    kept = learnt[:room]
    pieces += [merge.replace(" ", "") for merge in kept]
    unique = list(dict.fromkeys(pieces))
    return {piece: number for number, piece in enumerate([*unique, START, END])}, kept


def _pairs(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def _write(folder: Path, vocabulary: dict[str, int], merges: list[str], pad: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    slow = CLIPTokenizer(
        str(folder / "vocab.json"),
        str(folder / "merges.txt"),
        pad_token=pad,
        model_max_length=TOKEN_WINDOW,
    )
    slow.save_pretrained(folder)
    CLIPTokenizerFast.from_pretrained(folder, pad_token=pad, model_max_length=TOKEN_WINDOW).save_pretrained(
        folder
    )
