import json
import os
from pathlib import Path

import pytest

from contract.limits import MAX_LORA_BYTES
from embedded.characters.errors import CharacterError
from embedded.characters.lora_file import check_lora_file, copies_of, find_lora_file
from frontend.settings import ROOT


def file_of(folder: Path, data: bytes, size: int | None = None) -> Path:
    path = folder / "nova.safetensors"
    path.write_bytes(data)
    os.truncate(path, len(data) if size is None else size)
    return path


def header(length: int | None = None) -> bytes:
    text = json.dumps({"__metadata__": {}}).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text


def test_lora_as_it_is_published_is_taken() -> None:
    check_lora_file(ROOT / "demo" / "loras" / "aya.safetensors")


@pytest.mark.parametrize(
    ("data", "size", "message"),
    [
        (header(), MAX_LORA_BYTES + 1, "is larger than 4 GiB"),
        (b"<html>not found</html>", None, "Cannot read nova.safetensors: it does not begin with a header"),
        (header(length=1 << 40), MAX_LORA_BYTES, "Cannot read nova.safetensors"),
        (header(length=1000), None, "Cannot read nova.safetensors"),
        (header()[:8], None, "Cannot read nova.safetensors"),
        (b"", None, "Cannot read nova.safetensors"),
    ],
)
def test_other_file_is_refused_by_its_size_and_first_bytes(
    tmp_path: Path, data: bytes, size: int | None, message: str
) -> None:
    with pytest.raises(CharacterError, match=message):
        check_lora_file(file_of(tmp_path, data, size))


def test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nova.pt"
    path.write_bytes(header())
    with pytest.raises(CharacterError, match=r"nova\.pt is no \.safetensors file"):
        check_lora_file(path)


def test_folder_and_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    for name in ("folder.safetensors", "none.safetensors"):
        with pytest.raises(CharacterError, match="there is no file"):
            check_lora_file(tmp_path / name)


def peft_folder(folder: Path, key: str = "base_model.model.conv_in.lora_A.weight") -> Path:
    """What PEFT leaves; its weights are none."""
    folder.mkdir()
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    text = json.dumps({key: entry}).encode()
    path = folder / "adapter_model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    (folder / "adapter_config.json").write_text("{}")
    return folder


def test_folder_with_one_lora_is_that_lora(tmp_path: Path) -> None:
    folder = peft_folder(tmp_path / "saved")
    assert find_lora_file(folder) == folder / "adapter_model.safetensors"
    assert find_lora_file(folder / "adapter_model.safetensors") == folder / "adapter_model.safetensors"


@pytest.mark.parametrize(("count", "named"), [(0, "none"), (9, "0.safetensors, 1.safetensors")])
def test_folder_with_none_or_several_is_refused(tmp_path: Path, count: int, named: str) -> None:
    for number in range(count):
        (tmp_path / f"{number}.safetensors").touch()
    with pytest.raises(CharacterError, match=rf"has {count} \.safetensors files \({named}") as caught:
        find_lora_file(tmp_path)
    assert str(caught.value).count(".safetensors") <= 6


def test_settings_are_copied_with_a_lora_of_pefts_and_with_no_other(tmp_path: Path) -> None:
    folder, target = peft_folder(tmp_path / "saved"), tmp_path / "nova-0123.safetensors"
    lora = folder / "adapter_model.safetensors"
    settings = folder / "adapter_config.json", tmp_path / "nova-0123.adapter_config.json"
    assert list(copies_of(lora, target)) == [(lora, target), settings]
    other = peft_folder(tmp_path / "other", "unet.conv_in.lora_A.weight") / "adapter_model.safetensors"
    renamed = other.rename(other.with_name("nova.safetensors"))
    assert list(copies_of(renamed, target)) == [(renamed, target)]
