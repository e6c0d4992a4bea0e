import subprocess
import sys
from pathlib import Path

import pytest

from contract.__main__ import main
from contract.repositories import BadRepositories, base_models

ROOT = Path(__file__).parents[2]


def repository(folder: Path, *models: str) -> Path:
    for model in models:
        (folder / model).mkdir(parents=True)
        (folder / model / "config.pbtxt").touch()
    (folder / "no-model").mkdir(parents=True)
    return folder


def test_every_model_but_the_characters_is_loaded_at_start(tmp_path: Path) -> None:
    own = repository(tmp_path / "own", "text_to_image")
    exported = repository(tmp_path / "with space", "eros-denoiser", "eros-denoiser--aya", "eros-decoder")
    assert base_models([own, exported]) == ["eros-decoder", "eros-denoiser", "text_to_image"]


def test_a_missing_repository_and_a_model_in_two_are_refused(tmp_path: Path) -> None:
    one, other = (repository(tmp_path / name, "eros-decoder") for name in ("one", "other"))
    with pytest.raises(BadRepositories, match="nowhere does not exist"):
        base_models([tmp_path / "nowhere"])
    with pytest.raises(BadRepositories, match=r"model eros-decoder is both in .*one and in .*other"):
        base_models([one, other])


def test_shell_scripts_get_a_name_a_line(tmp_path: Path) -> None:
    folder = repository(tmp_path / "own", "eros-denoiser", "eros-denoiser--aya", "eros-decoder")
    command = [sys.executable, "-m", "contract", "base-models", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "eros-decoder\neros-denoiser\n", "")


def test_shell_scripts_are_told_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["base-models", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err == f"contract: model repository {tmp_path / 'nowhere'} does not exist\n"
