"""CLIP's tokenizer, which every SD 1.5 and SDXL checkpoint uses and a single file does not bring along."""

import gzip
import json
from pathlib import Path

from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

VOCABULARY = Path(__file__).with_name("clip") / "bpe_simple_vocab_16e6.txt.gz"
"""The byte-pair merges that OpenAI published with CLIP; see its LICENSE beside it."""
TOKENS = 49152 - 256 - 2  # of the merges, as many as CLIP took
BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def write_clip_tokenizer(folder: Path, pad: str) -> None:
    """vocab.json, merges.txt and tokenizer_config.json, as transformers reads them."""
    lines = gzip.decompress(VOCABULARY.read_bytes()).decode().split("\n")
    merges = lines[1 : TOKENS + 1]
    letters = list(bytes_to_unicode().values())
    words = [*letters, *(letter + "</w>" for letter in letters)]
    words += ["".join(merge.split()) for merge in merges]
    folder.mkdir(parents=True)
    vocabulary = {word: number for number, word in enumerate([*words, BEGIN, END])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "bos_token": BEGIN,
        "eos_token": END,
        "unk_token": END,
        "pad_token": pad,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
