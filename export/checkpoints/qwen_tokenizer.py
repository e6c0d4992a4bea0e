"""The tokenizer of Qwen2 and Qwen3, which a text encoder in one file does not bring along."""

import lzma
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

from contract.repositories import TOKENIZER_FILE

MERGES = Path(__file__).with_name("qwen") / "merges.txt.xz"
"""As Alibaba Cloud published them (Apache License 2.0), compressed; see the NOTICE beside them."""
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
"""What merges stay within."""
MARKS = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>"),
    *("<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<tool_response>"),
    *("</tool_response>", "<think>", "</think>"),
)
"""Behind the vocabulary, in this order."""


def write_qwen_tokenizer(folder: Path) -> None:
    """tokenizer.json."""
    lines = lzma.decompress(MERGES.read_bytes()).decode().splitlines()
    merges = [(first, last) for first, _, last in (line.partition(" ") for line in lines)]
    words = [*bytes_to_unicode().values(), *map("".join, merges)]
    folder.mkdir(parents=True)
    tokenizer_of({word: number for number, word in enumerate(words)}, merges).save(
        str(folder / TOKENIZER_FILE)
    )


def tokenizer_of(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    made = Tokenizer(models.BPE(vocabulary, merges))
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    made.add_special_tokens([AddedToken(mark, normalized=False) for mark in MARKS])
    return made
