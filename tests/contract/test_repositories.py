import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contract.__main__ import main
from contract.repositories import BadRepositories, base_models, what_is_missing

ROOT = Path(__file__).parents[2]


def repository(folder: Path, *models: str) -> Path:
    for model in models:
        (folder / model).mkdir(parents=True)
        (folder / model / "config.pbtxt").touch()
        (folder / model / "1").mkdir()
        (folder / model / "1" / "model.onnx").touch()
    (folder / "no-model").mkdir(parents=True)
    return folder


def test_every_model_but_the_characters_is_loaded_at_start(tmp_path: Path) -> None:
    own = repository(tmp_path / "own", "text_to_image")
    exported = repository(tmp_path / "with space", "eros-denoiser", "eros-denoiser--aya", "eros-decoder")
    assert base_models([own, exported]).names == ("eros-decoder", "eros-denoiser", "text_to_image")


def test_a_missing_repository_and_our_own_model_in_two_are_refused(tmp_path: Path) -> None:
    one, other = (repository(tmp_path / name, "text_to_image") for name in ("one", "other"))
    with pytest.raises(BadRepositories, match="nowhere does not exist"):
        base_models([tmp_path / "nowhere"])
    with pytest.raises(BadRepositories, match=r"model text_to_image is both in .*one and in .*other"):
        base_models([one, other])


def test_network_that_stands_twice_or_has_no_weights_is_left_out(tmp_path: Path) -> None:
    one = repository(tmp_path / "one", "text_to_image", "eros-decoder", "alto-denoiser")
    other = repository(tmp_path / "other", "eros-decoder", "eros-denoiser", "alto-text-encoder")
    (one / "alto-denoiser" / "1" / "model.onnx").unlink()
    found = base_models([one, other])
    assert found.names == ("alto-text-encoder", "eros-denoiser", "text_to_image")
    assert found.faults["eros"] == f"eros-decoder is both in {one} and in {other}: remove one"
    assert found.faults["alto"] == "alto-denoiser has no weights" and len(found.faults) == 2


def test_model_that_lacks_a_file_is_told_by_its_name(tiny_repository: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_repository, folder)
    assert base_models([folder]).faults == {} and what_is_missing([folder], "tiny") == ""
    (folder / "tiny-text-encoder" / "tokenizer_2" / "tokenizer.json").unlink()
    assert what_is_missing([folder], "tiny") == "tiny-text-encoder has no tokenizer_2/tokenizer.json"
    (folder / "tiny-denoiser" / "pipeline.json").write_text("{")
    assert what_is_missing([folder], "tiny").startswith("tiny-denoiser/pipeline.json: ")
    shutil.rmtree(folder / "tiny-decoder" / "1")
    assert base_models([folder]).faults == {"tiny": "tiny-decoder has no weights"}


def test_shell_scripts_get_a_name_a_line(tmp_path: Path) -> None:
    folder = repository(tmp_path / "own", "eros-denoiser", "eros-denoiser--aya", "eros-decoder")
    command = [sys.executable, "-m", "contract", "base-models", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "eros-decoder\neros-denoiser\n")
    assert done.stderr == "contract: model eros is left out: eros-text-encoder has no weights\n"


def test_shell_scripts_are_told_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["base-models", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err == f"contract: model repository {tmp_path / 'nowhere'} does not exist\n"
