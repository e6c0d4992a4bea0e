import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from tokenizers import Tokenizer

from export.errors import ExportError
from export.prompt_encoder import parity
from export.prompt_encoder.export import export_encoder
from export.prompt_encoder.parity import Parity, pad_rows
from export.prompt_encoder.sentence_encoder import open_source
from tests.export.sentences import LENGTH, save_encoder

ROOT = Path(__file__).resolve().parents[3]
COMMITTED = ROOT / "model_repository" / "prompt-encoder"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_encoder(tmp_path_factory.mktemp("source") / "tiny")
    (folder / "LICENSE").write_text("as you like")
    return folder


@pytest.fixture(scope="module")
def exported(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_encoder(source, "tiny-encoder", tmp_path_factory.mktemp("repository"))


def test_it_encodes_as_torch_does_alone_and_padded(source: Path, exported: Path) -> None:
    opened = open_source(source)
    session = ort.InferenceSession(exported / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    tokens = [opened.tokenizer.encode(text).ids for text in ("a red fox", "", "two fox under a tree, a lake")]
    together = session.run(None, pad_rows(tokens))[0]
    for row, ids in enumerate(tokens):
        with torch.no_grad():
            wanted = opened.network(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.int64))[
                0
            ].numpy()
        alone = session.run(None, pad_rows([ids]))[0][0]
        assert float(alone @ wanted) > parity.MIN_COSINE
        assert np.abs(alone - together[row]).max() < 1e-6
        assert np.linalg.norm(alone) == pytest.approx(1, abs=1e-5)


def test_all_that_triton_needs_lies_in_the_folder(exported: Path) -> None:
    config = (exported / "config.pbtxt").read_text()
    assert 'name: "tiny-encoder"' in config and "dims: [ 32 ]" in config
    tokenizer = Tokenizer.from_file(str(exported / "tokenizer.json"))
    assert tokenizer.padding is None
    assert tokenizer.truncation is not None
    assert tokenizer.truncation["max_length"] == LENGTH
    assert (exported / "LICENSE").read_text() == "as you like"
    assert Parity(**json.loads((exported / "parity.json").read_text())).failure is None


def test_licence_is_kept_where_the_new_source_has_none(source: Path, tmp_path: Path) -> None:
    bare = save_encoder(tmp_path / "bare")
    export_encoder(source, "tiny-encoder", tmp_path / "models")
    again = export_encoder(bare, "tiny-encoder", tmp_path / "models")
    assert (again / "LICENSE").read_text() == "as you like"


def test_an_encoder_that_8_bits_do_not_suit_is_not_published(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "encoder", spread=0.8)
    with pytest.raises(ExportError, match="tiny-encoder does not encode as torch does: "):
        export_encoder(folder, "tiny-encoder", tmp_path / "models")
    assert not any((tmp_path / "models").iterdir())


def test_every_bound_can_fail() -> None:
    good = Parity(prompts=1, least_cosine=1.0, mean_cosine=1.0, near_pairs=1, most_apart=0.0, company=0.0)
    assert good.failure is None
    bad: dict[str, Any] = {"least_cosine": 0.9, "mean_cosine": 0.99, "most_apart": 0.1, "company": 1e-3}
    assert all(replace(good, **{name: value}).failure for name, value in bad.items())
    assert all(replace(good, **{name: value * float("nan")}).failure for name, value in bad.items())


def test_the_encoder_that_is_shipped_was_compared_with_torch() -> None:
    parity = Parity(**json.loads((COMMITTED / "parity.json").read_text()))
    assert parity.failure is None and parity.prompts >= 100 and parity.near_pairs >= 5


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "export.prompt_encoder", str(tmp_path), "--name", "x", "--output", "m"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"export: Cannot read {tmp_path}/modules.json: No such file or directory\n"
