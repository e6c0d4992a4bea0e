"""A checkpoint's tokenizers as tokenizer.json files, which need neither torch nor transformers to read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tokenizers import Tokenizer
from transformers import CLIPTextConfig, CLIPTokenizerFast

from contract.families import TextEncoder
from contract.repositories import TOKENIZER_FILE
from export.checkpoints.checkpoint import Checkpoint
from export.checkpoints.qwen_tokenizer import WORDS as QWEN_WORDS
from export.errors import ExportError, first_line
from export.json_file import MAX_VOCABULARY_BYTES, read_bytes, read_json
from export.tokenizer_file import read_tokenizer

SETTINGS_FILES = ("tokenizer_config.json", "special_tokens_map.json")
VOCABULARY_FILES = ("vocab.json", "merges.txt")
ADDED_FILE = "added_tokens.json"
FILES = (TOKENIZER_FILE, *VOCABULARY_FILES, *SETTINGS_FILES, ADDED_FILE)
"""Of a tokenizer's folder, all that is read."""
TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token", "added_tokens_decoder")
"""The settings that are used; others name classes and code."""


WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
PATTERNS = (r"\s+", WORDS, rf"<\|startoftext\|>|<\|endoftext\|>|{WORDS}")
"""CLIP's, of spaces and words, without and with its marks."""
OTHER_PATTERNS = (" {2,}", QWEN_WORDS)
"""T5's and Qwen's."""


@dataclass(frozen=True)
class WindowTokenizer:
    tokenizer: Tokenizer  # neither pads nor cuts
    pad: int  # id that fills a window after its end of text
    window: int  # tokens
    frame: tuple[list[int], list[int]]  # ids that stand before and after a window's text

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.tokenizer.save(str(folder / TOKENIZER_FILE))


Tokenizers = Mapping[TextEncoder, WindowTokenizer]


def open_tokenizers(checkpoint: Checkpoint) -> Tokenizers:
    """Raises ExportError."""
    return {
        encoder: _open(checkpoint.folder / encoder.tokenizer, encoder, network.config)
        for encoder, network in checkpoint.text_encoders.items()
    }


def _open(folder: Path, encoder: TextEncoder, config: Any) -> WindowTokenizer:
    return open_tokenizer(folder, config) if encoder.window is None else _open_other(folder, encoder, config)


def _open_other(folder: Path, encoder: TextEncoder, config: Any) -> WindowTokenizer:
    """Any but CLIP's: its tokenizer.json. Raises ExportError."""
    if not (folder / TOKENIZER_FILE).is_file():
        raise ExportError(f"{folder} has no {TOKENIZER_FILE}; take one of the published model's tokenizer")
    tokenizer = read_tokenizer(folder / TOKENIZER_FILE, OTHER_PATTERNS)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if tokenizer.get_vocab_size() > config.vocab_size:
        raise ExportError(f"{folder} has more tokens than its text encoder ({config.vocab_size})")
    if encoder.template is None:
        ids = tokenizer.encode("").ids
        if len(ids) != 1:
            raise ExportError(f"{folder} does not put one end of text, and nothing else, around a prompt")
        before, after = list[int](), ids
    else:
        before, after = (tokenizer.encode(one, add_special_tokens=False).ids for one in encoder.template)
    pad = tokenizer.token_to_id(encoder.pad)
    if pad is None:
        raise ExportError(f"{folder} has no {encoder.pad} in its vocabulary")
    assert encoder.window is not None
    return WindowTokenizer(tokenizer, pad, encoder.window, (before, after))


def open_tokenizer(folder: Path, encoder: CLIPTextConfig) -> WindowTokenizer:
    """Reads tokenizer.json, else CLIP's vocab.json and merges.txt. Raises ExportError.

    `encoder` is the config of the text encoder that the tokens go to; the two must agree on the end of text,
    where the pooled embedding is taken.
    """
    tokenizer = _read(folder)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    ends = tokenizer.encode("").ids
    if len(ends) != 2:
        raise ExportError(f"{folder} does not put one begin and one end of text around a prompt")
    if tokenizer.get_vocab_size() > encoder.vocab_size:
        raise ExportError(f"{folder} has more tokens than its text encoder ({encoder.vocab_size})")
    # 2 stands for "the highest id of the window" in configs that are older than transformers' fix of them.
    expected = tokenizer.get_vocab_size() - 1 if encoder.eos_token_id == 2 else encoder.eos_token_id
    if ends[1] != expected:
        raise ExportError(f"{folder} ends a text with {ends[1]}, but its text encoder looks for {expected}")
    pad = _pad_of(folder, tokenizer, ends[1])
    return WindowTokenizer(tokenizer, pad, encoder.max_position_embeddings, (ends[:1], ends[1:]))


def _read(folder: Path) -> Tokenizer:
    if (folder / TOKENIZER_FILE).exists():
        return read_tokenizer(folder / TOKENIZER_FILE, PATTERNS)
    try:
        with TemporaryDirectory(prefix="imgen-") as made:
            _copy_allowed(folder, Path(made))
            clip = CLIPTokenizerFast.from_pretrained(made, local_files_only=True, trust_remote_code=False)
        return Tokenizer.from_str(clip.backend_tokenizer.to_str())
    except ExportError:
        raise
    except Exception as error:  # as many kinds as there are broken files
        raise ExportError(f"Cannot load {folder}: {first_line(error)}") from None


def _copy_allowed(folder: Path, target: Path) -> None:
    """What transformers may see of the folder."""
    for name in VOCABULARY_FILES:
        (target / name).write_bytes(read_bytes(folder / name, MAX_VOCABULARY_BYTES))
    if (folder / ADDED_FILE).exists():
        added = read_json(folder / ADDED_FILE)
        (target / ADDED_FILE).write_text(json.dumps(added))
    for name, settings in _settings_of(folder).items():
        kept = {key: value for key, value in settings.items() if key in TOKENS}
        (target / name).write_text(json.dumps(kept))


def copy_tokenizer(folder: Path, target: Path) -> None:
    """All that is read of it. Raises ExportError."""
    target.mkdir(parents=True)
    for name in FILES:
        if (folder / name).exists():
            (target / name).write_bytes(read_bytes(folder / name, MAX_VOCABULARY_BYTES))


def _settings_of(folder: Path) -> dict[str, dict[str, Any]]:
    return {name: read_json(folder / name) for name in SETTINGS_FILES if (folder / name).exists()}


def _pad_of(folder: Path, tokenizer: Tokenizer, end: int) -> int:
    """The pad token that the checkpoint names, else the end of text, as CLIP's own tokenizer has it."""
    for name, settings in _settings_of(folder).items():
        token = settings.get("pad_token")
        text = token.get("content") if isinstance(token, dict) else token
        if text is not None:
            pad = tokenizer.token_to_id(text) if isinstance(text, str) else None
            if pad is None:
                raise ExportError(f"{folder / name} names a pad token that is not in the vocabulary")
            return int(pad)
    return end
