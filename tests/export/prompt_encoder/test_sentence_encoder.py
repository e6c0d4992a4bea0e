import json
from pathlib import Path
from typing import Any

import pytest
import torch

from export.errors import ExportError
from export.prompt_encoder.sentence_encoder import open_source
from tests.export.sentences import LENGTH, WIDTH, as_saved_by_version_6, save_encoder


def test_a_vector_is_the_mean_of_the_tokens_that_are_no_padding(tmp_path: Path) -> None:
    source = open_source(save_encoder(tmp_path / "encoder"))
    tokens, mask = torch.tensor([[2, 4, 7, 3, 0, 0]]), torch.tensor([[1, 1, 1, 1, 0, 0]])
    with torch.no_grad():
        states = source.network.bert(input_ids=tokens[:, :4]).last_hidden_state
        found = source.network(tokens, mask)
    mean = states.mean(dim=1)
    assert torch.allclose(found, mean / mean.norm(), atol=1e-6)
    assert source.dimension == WIDTH


def test_the_tokenizer_cuts_where_the_encoder_was_trained_to_and_does_not_pad(tmp_path: Path) -> None:
    tokenizer = open_source(save_encoder(tmp_path / "encoder")).tokenizer
    assert len(tokenizer.encode("fox").ids) == 3
    assert len(tokenizer.encode("fox " * 99).ids) == LENGTH


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "cls_token"}, "expected mean pooling, found cls"),
        ({"stages": 2}, "its stages are Transformer, Pooling; expected"),
        ({"kind": "mpnet"}, "its network is mpnet; expected bert"),
    ],
)
def test_another_kind_of_encoder_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        open_source(save_encoder(tmp_path / "encoder", **options))


@pytest.mark.parametrize("name", ["modules.json", "tokenizer.json", "model.safetensors"])
def test_a_damaged_or_missing_file_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    folder = save_encoder(tmp_path / "encoder")
    (folder / name).write_bytes(b"{")
    with pytest.raises(ExportError) as damaged:
        open_source(folder)
    (folder / name).unlink()
    with pytest.raises(ExportError) as missing:
        open_source(folder)
    assert all("encoder" in str(error.value) and "\n" not in str(error.value) for error in (damaged, missing))


def test_encoder_of_a_newer_sentence_transformers_is_the_same(tmp_path: Path) -> None:
    older = open_source(save_encoder(tmp_path / "older"))
    newer = open_source(as_saved_by_version_6(save_encoder(tmp_path / "newer")))
    tokens, mask = torch.tensor([[2, 4, 7, 3]]), torch.ones((1, 4), dtype=torch.int64)
    with torch.no_grad():
        assert torch.equal(newer.network(tokens, mask), older.network(tokens, mask))
    assert len(newer.tokenizer.encode("fox " * 99).ids) == LENGTH


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "cls"}, "expected mean pooling, found cls"),
        (
            "1_Pooling/config.json",
            {"pooling_mode": ["mean", "max"]},
            "mean pooling, found mean, max",
        ),
        ("1_Pooling/config.json", {"pooling_mode": None}, "expected mean pooling, found None"),
        ("2_Normalize/config.json", {"module_input_name": "token_embeddings"}, "module_input_name is token_"),
        ("sentence_bert_config.json", {"transformer_task": "fill-mask"}, "transformer_task is fill-mask"),
        ("tokenizer_config.json", {"model_max_length": None}, "model_max_length is None; expected 3 to 512"),
        (
            "tokenizer_config.json",
            {"model_max_length": "long"},
            "model_max_length is long; expected 3",
        ),
    ],
)
def test_newer_encoder_of_another_kind_is_refused(
    tmp_path: Path, file: str, change: dict[str, Any], message: str
) -> None:
    folder = as_saved_by_version_6(save_encoder(tmp_path / "encoder"))
    (folder / file).write_text(json.dumps(json.loads((folder / file).read_text()) | change))
    with pytest.raises(ExportError, match=message):
        open_source(folder)


def test_tokenizer_without_bounds_cuts_where_the_network_ends(tmp_path: Path) -> None:
    folder = as_saved_by_version_6(save_encoder(tmp_path / "encoder"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 10**30}))
    assert len(open_source(folder).tokenizer.encode("fox " * 99).ids) == 64
