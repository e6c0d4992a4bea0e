"""A sentence encoder in sentence-transformers' folder layout, checked before it is loaded, in torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import BertModel, PretrainedConfig
from transformers.utils import logging

from contract.limits import MAX_ENCODER_TOKENS
from export.errors import ExportError, first_line

STAGES = ("Transformer", "Pooling", "Normalize")  # in modules.json


class SentenceEncoder(nn.Module):
    """Tokens and mask int64 [B, L] → embedding fp32 [B, D] of unit length: the mean of the last states.

    As Reimers and Gurevych, Sentence-BERT (2019), with sentence-transformers' Pooling and Normalize.
    """

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.config = PretrainedConfig()  # optimum reads it
        self.bert = bert

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        states = self.bert(input_ids=tokens, attention_mask=mask).last_hidden_state
        counted = mask[:, :, None].to(states.dtype)
        mean = (states * counted).sum(1) / counted.sum(1)
        return nn.functional.normalize(mean, dim=1)


@dataclass(frozen=True)
class EncoderFolder:
    network: SentenceEncoder
    tokenizer: Tokenizer  # cuts at the encoder's length, and does not pad

    @property
    def dimension(self) -> int:
        return int(self.network.bert.config.hidden_size)


def open_source(folder: Path) -> EncoderFolder:
    """Raises ExportError for anything but a BERT with mean pooling and normalisation."""
    stages = {one["type"].rpartition(".")[2]: folder / one["path"] for one in _read(folder / "modules.json")}
    if tuple(stages) != STAGES:
        raise ExportError(f"{folder}: its stages are {', '.join(stages)}; expected {', '.join(STAGES)}")
    pooling = _read(stages["Pooling"] / "config.json")
    modes = [name for name, on in pooling.items() if name.startswith("pooling_mode_") and on]
    if modes != ["pooling_mode_mean_tokens"]:
        raise ExportError(f"{folder}: expected pooling_mode_mean_tokens, found {', '.join(modes) or 'none'}")
    kind = _read(folder / "config.json").get("model_type")
    if kind != "bert":
        raise ExportError(f"{folder}: its network is {kind}; expected bert")
    return EncoderFolder(SentenceEncoder(_bert(folder)), _tokenizer(folder))


def _bert(folder: Path) -> BertModel:
    logging.set_verbosity_error()  # it would tell that the pooler, which nothing here uses, is left out
    try:
        return BertModel.from_pretrained(
            folder,
            add_pooling_layer=False,
            attn_implementation="eager",  # the others leave the mask out of the graph where all of it is 1
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
        ).eval()
    except Exception as error:  # transformers has no common kind
        raise ExportError(f"{folder}: {first_line(error)}") from None


def _tokenizer(folder: Path) -> Tokenizer:
    length = _read(folder / "sentence_bert_config.json").get("max_seq_length")
    if not isinstance(length, int) or not 2 < length <= MAX_ENCODER_TOKENS:
        raise ExportError(f"{folder}: max_seq_length is {length}; expected 3 to {MAX_ENCODER_TOKENS}")
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises Exception itself
        raise ExportError(f"{folder}/tokenizer.json: {first_line(error)}") from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(length)
    return tokenizer


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ExportError(f"Cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise ExportError(f"{path}: {first_line(error)}") from None
