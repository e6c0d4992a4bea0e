import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from export.errors import ExportError
from export.graphs.base_check import FOUND, checked, state_of
from export.graphs.storage import save_model, write_hashes

RECORD = Path(FOUND, "eros-denoiser.json")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "eros-denoiser"
    weight = numpy_helper.from_array(np.ones((64, 64), np.float32), "weight")
    node = helper.make_node("Identity", ["weight"], ["y"])
    output = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [64, 64])
    model = helper.make_model(helper.make_graph([node], "g", [], [output], [weight]))
    save_model(model, folder / "1", one_file_bytes=0)
    write_hashes(folder)
    return folder


@pytest.fixture
def merged(tmp_path: Path) -> Path:
    (tmp_path / "merged").mkdir()
    return tmp_path / "merged"


def damage(base: Path) -> None:
    path = base / "1" / "model.onnx.data"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


def assert_refused(base: Path, merged: Path) -> None:
    wrong = pytest.raises(ExportError, match="not what it was exported as")
    with wrong, checked(base, state_of(base), merged):
        pass


def test_base_that_was_damaged_is_refused_and_nothing_noted(base: Path, merged: Path) -> None:
    damage(base)
    assert_refused(base, merged)
    assert not (merged / RECORD).exists()


def test_base_that_has_not_changed_is_hashed_once(base: Path, merged: Path) -> None:
    with checked(base, state_of(base), merged):
        pass
    noted = (merged / RECORD).stat()
    with checked(base, state_of(base), merged):
        pass
    assert (merged / RECORD).stat() == noted


@pytest.mark.parametrize("noted", [b"", b"[]", b"{", b'{"sha256": 1, "state": []}'])
def test_damage_is_found_after_a_good_check_and_beside_broken_notes(
    base: Path, merged: Path, noted: bytes
) -> None:
    with checked(base, state_of(base), merged):
        pass
    if noted:
        (merged / RECORD).write_bytes(noted)
    damage(base)
    assert_refused(base, merged)


def test_note_of_an_earlier_export_says_nothing_of_this_one(base: Path, merged: Path) -> None:
    with checked(base, state_of(base), merged):
        pass
    write_hashes(base, "0" * 64)
    assert_refused(base, merged)


def test_base_that_is_replaced_meanwhile_is_refused(base: Path, merged: Path) -> None:
    old = base.with_name("old")
    replaced = pytest.raises(ExportError, match="was replaced while it was read")
    with replaced, checked(base, state_of(base), merged):
        base.rename(old)
        shutil.copytree(old, base)


def test_error_of_the_reader_is_the_one_that_is_told(base: Path, merged: Path) -> None:
    damage(base)
    with pytest.raises(ExportError, match="it does not fit"), checked(base, state_of(base), merged):
        raise ExportError("it does not fit")
