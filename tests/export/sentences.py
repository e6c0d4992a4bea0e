"""A tiny random sentence encoder in sentence-transformers' layout."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "blue", "fox", "under", "tree", "two", "lake", ",")
LENGTH = 16
WIDTH = 32


def save_encoder(
    folder: Path,
    pooling: str = "mean_tokens",
    stages: int = 3,
    kind: str = "bert",
    spread: float = 0.05,
) -> Path:
    """`spread`: of the weights; what is large makes an encoder that rounding throws off."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=spread,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    _write(folder / "config.json", json.loads((folder / "config.json").read_text()) | {"model_type": kind})
    _write(folder / "sentence_bert_config.json", {"max_seq_length": LENGTH})
    kinds = (("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"))
    _write(
        folder / "modules.json",
        [{"path": path, "type": f"sentence_transformers.models.{name}"} for name, path in kinds[:stages]],
    )
    (folder / "1_Pooling").mkdir()
    modes = {"cls_token": False, "mean_tokens": False, pooling: True}
    _write(folder / "1_Pooling" / "config.json", {f"pooling_mode_{name}": on for name, on in modes.items()})
    _tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def as_saved_by_version_6(folder: Path) -> Path:
    """The same encoder in the words of sentence-transformers 6.2 (written by it, and copied from there)."""
    base, ours = "sentence_transformers.base.modules", "sentence_transformers.sentence_transformer.modules"
    kinds = (
        ("", f"{base}.transformer.Transformer"),
        ("1_Pooling", f"{ours}.pooling.Pooling"),
        ("2_Normalize", f"{base}.normalize.Normalize"),
    )
    _write(
        folder / "modules.json",
        [{"idx": at, "name": str(at), "path": path, "type": kind} for at, (path, kind) in enumerate(kinds)],
    )
    text = {"method": "forward", "method_output_name": "last_hidden_state"}
    settings = {"transformer_task": "feature-extraction", "modality_config": {"text": text}}
    _write(folder / "sentence_bert_config.json", settings | {"module_output_name": "token_embeddings"})
    pooling = {"embedding_dimension": WIDTH, "pooling_mode": "mean", "include_prompt": True}
    _write(folder / "1_Pooling" / "config.json", pooling)
    (folder / "2_Normalize").mkdir()
    names = dict.fromkeys(("module_input_name", "module_output_name"), "sentence_embedding")
    _write(folder / "2_Normalize" / "config.json", names)
    _write(folder / "tokenizer_config.json", {"model_max_length": LENGTH})
    return folder


def _tokenizer() -> Tokenizer:
    """With padding and a shorter length, as published ones have them."""
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(length=8)
    tokenizer.enable_truncation(8)
    return tokenizer


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))
