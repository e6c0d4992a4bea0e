from pathlib import Path
from typing import Any

import pytest
import torch

from export.errors import ExportError
from export.prompt_encoder.sentence_encoder import open_source
from tests.export.sentences import LENGTH, WIDTH, save_encoder


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
        ({"pooling": "cls_token"}, "expected pooling_mode_mean_tokens, found pooling_mode_cls_token"),
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
