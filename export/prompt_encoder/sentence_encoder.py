"""A sentence encoder in sentence-transformers' folder layout, checked before it is loaded, in torch."""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import BertConfig, BertModel, PretrainedConfig

from contract.limits import MAX_ENCODER_TOKENS
from contract.repositories import TOKENIZER_FILE
from export.checkpoints.clean_folder import (
    CONFIG_FILE,
    TRANSFORMERS_FILE,
    check_size,
    clean_folder,
    find_weights,
    read_config,
)
from export.errors import ExportError, first_line
from export.json_file import parse_json, read_bytes, read_json
from export.tokenizer_file import read_tokenizer

STAGES = ("Transformer", "Pooling", "Normalize")  # in modules.json
STAGE_FOLDER = re.compile(r"[A-Za-z0-9_-]{0,100}")
POOLING_SWITCHES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
TASK, SENTENCE = "feature-extraction", "sentence_embedding"
ATTENTION = "eager"  # the others leave the mask out of the graph where all of it is 1


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
    stages = _stages(folder)
    if tuple(stages) != STAGES:
        raise ExportError(f"{folder}: its stages are {', '.join(stages)}; expected {', '.join(STAGES)}")
    if (modes := _pooling_modes(stages["Pooling"])) != ["mean"]:
        raise ExportError(f"{folder}: expected mean pooling, found {', '.join(modes) or 'none'}")
    _check_normalised(stages["Normalize"])
    kind = read_json(folder / CONFIG_FILE).get("model_type")
    if kind != "bert":
        raise ExportError(f"{folder}: its network is {kind}; expected bert")
    return EncoderFolder(SentenceEncoder(_bert(folder)), _tokenizer(folder))


def _pooling_modes(folder: Path) -> list[str]:
    """By the names that sentence-transformers has for them from version 6 on; before, each was a switch."""
    config = read_json(folder / CONFIG_FILE)
    if "pooling_mode" not in config:
        return [mode for switch, mode in POOLING_SWITCHES.items() if config.get(switch)]
    modes = config["pooling_mode"]
    return list(map(str, modes)) if isinstance(modes, list) else [str(modes)]


def _check_normalised(folder: Path) -> None:
    """Before version 6 there is no config, and it is always the sentence's vector."""
    if not (folder / CONFIG_FILE).exists():
        return
    config = read_json(folder / CONFIG_FILE)
    for key in ("module_input_name", "module_output_name"):
        if (name := config.get(key) or SENTENCE) != SENTENCE:
            raise ExportError(f"{folder}: {key} is {name}; expected {SENTENCE}")


def _stages(folder: Path) -> dict[str, Path]:
    """Folder of each stage by its kind."""
    name = folder / "modules.json"
    stages = {}
    for one in parse_json(read_bytes(name), str(name), list):
        kind, path = (one.get(key) for key in ("type", "path")) if isinstance(one, dict) else (None, None)
        if not isinstance(kind, str) or not isinstance(path, str) or not STAGE_FOLDER.fullmatch(path):
            raise ExportError(f"{name}: expected stages with a type and a folder beside it")
        stages[kind.rpartition(".")[2]] = folder / path
    return stages


def _bert(folder: Path) -> BertModel:
    config, weights = read_config(folder, BertModel.__name__), find_weights(folder, TRANSFORMERS_FILE)
    try:
        with torch.device("meta"):
            check_size(folder, BertModel(BertConfig(**config), add_pooling_layer=False), weights)
        with clean_folder(BertModel, config, weights, TRANSFORMERS_FILE) as clean:
            return BertModel.from_pretrained(
                clean,
                add_pooling_layer=False,
                attn_implementation=ATTENTION,
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
            ).eval()
    except ExportError:
        raise
    except Exception as error:  # transformers has no common kind
        raise ExportError(f"{folder}: {first_line(error)}") from None


def _length(folder: Path) -> int:
    """In tokens. From version 6 on the tokenizer's config says it, maybe without bounds: a BERT has some."""
    settings = read_json(folder / "sentence_bert_config.json")
    if (task := settings.get("transformer_task", TASK)) != TASK:
        raise ExportError(f"{folder}: its transformer_task is {task}; expected {TASK}")
    name, length = "max_seq_length", settings.get("max_seq_length")
    if length is None:
        name, length = "model_max_length", read_json(folder / "tokenizer_config.json").get("model_max_length")
        positions = read_json(folder / CONFIG_FILE).get("max_position_embeddings")
        if isinstance(positions, int) and isinstance(length, int | float):
            length = min(int(length), positions)
    if not isinstance(length, int) or not 2 < length <= MAX_ENCODER_TOKENS:
        raise ExportError(f"{folder}: {name} is {length}; expected 3 to {MAX_ENCODER_TOKENS}")
    return length


def _tokenizer(folder: Path) -> Tokenizer:
    length = _length(folder)
    tokenizer = read_tokenizer(folder / TOKENIZER_FILE)
    tokenizer.no_padding()
    tokenizer.enable_truncation(length)
    return tokenizer
