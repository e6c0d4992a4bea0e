from pathlib import Path

import pytest

from cli.errors import UserError
from cli.repository import choose_output
from frontend.settings import ROOT, Settings


def test_export_goes_into_the_data_folder_or_the_operators_own_repository(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    assert choose_output(settings, None, "mine") == tmp_path / "data" / "models"
    assert choose_output(settings, tmp_path / "given", "eros") == tmp_path / "given"
    own = Settings(data_dir=tmp_path / "data", models_dir=tmp_path / "own")
    assert choose_output(own, None, "mine") == tmp_path / "own"


@pytest.mark.parametrize("folder", ["demo/models", "demo", "model_repository", "demo/new", "docs/../demo"])
def test_export_never_goes_into_the_program(tmp_path: Path, folder: str) -> None:
    with pytest.raises(UserError, match="that is a part of the program; name a folder of your own"):
        choose_output(Settings(data_dir=tmp_path), ROOT / folder, "mine")
    (tmp_path / "link").symlink_to(ROOT / "demo")
    with pytest.raises(UserError, match="part of the program"):
        choose_output(Settings(data_dir=tmp_path), tmp_path / "link" / "models", "mine")


def test_name_that_the_demo_model_has_is_refused_beside_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--name eros: .*demo/models has a model of that name; choose"):
        choose_output(Settings(data_dir=tmp_path), None, "eros")
