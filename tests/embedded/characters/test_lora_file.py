import json
import os
from pathlib import Path

import pytest

from contract.limits import MAX_LORA_BYTES
from embedded.characters.errors import CharacterError
from embedded.characters.lora_file import MAX_SETTINGS_BYTES, LoraFile
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
    LoraFile.open(ROOT / "demo" / "loras" / "aya.safetensors")


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
        LoraFile.open(file_of(tmp_path, data, size))


def test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nova.pt"
    path.write_bytes(header())
    with pytest.raises(CharacterError, match=r"nova\.pt is no \.safetensors file"):
        LoraFile.open(path)


def test_folder_and_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    for name in ("folder.safetensors", "none.safetensors"):
        with pytest.raises(CharacterError, match="there is no file"):
            LoraFile.open(tmp_path / name)


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
    weights = folder / "adapter_model.safetensors"
    assert (
        LoraFile.open(folder) == LoraFile.open(weights) == LoraFile(weights, folder / "adapter_config.json")
    )


@pytest.mark.parametrize(("count", "named"), [(0, "none"), (9, "0.safetensors, 1.safetensors")])
def test_folder_with_none_or_several_is_refused(tmp_path: Path, count: int, named: str) -> None:
    for number in range(count):
        (tmp_path / f"{number}.safetensors").touch()
    with pytest.raises(CharacterError, match=rf"has {count} \.safetensors files \({named}") as caught:
        LoraFile.open(tmp_path)
    assert str(caught.value).count(".safetensors") <= 6


def test_settings_are_copied_with_a_lora_of_pefts_and_with_no_other(tmp_path: Path) -> None:
    folder, target = peft_folder(tmp_path / "saved"), tmp_path / "nova-0123.safetensors"
    lora = folder / "adapter_model.safetensors"
    settings = folder / "adapter_config.json", tmp_path / "nova-0123.adapter_config.json"
    assert list(LoraFile.open(lora).copies(target)) == [(lora, target), settings]
    other = peft_folder(tmp_path / "other", "unet.conv_in.lora_A.weight") / "adapter_model.safetensors"
    renamed = other.rename(other.with_name("nova.safetensors"))
    assert list(LoraFile.open(renamed).copies(target)) == [(renamed, target)]


def test_other_settings_make_another_copy(tmp_path: Path) -> None:
    folder = peft_folder(tmp_path / "saved")
    names = set()
    for text in ('{"lora_alpha": 8}', '{"lora_alpha": 16}'):
        (folder / "adapter_config.json").write_text(text)
        names.add(LoraFile.open(folder).name_for("nova"))
    (folder / "adapter_config.json").unlink()
    names.add(LoraFile.open(folder).name_for("nova"))
    assert len(names) == 3 and all(name.startswith("nova-") for name in names)


def test_settings_of_a_size_that_none_have_are_refused(tmp_path: Path) -> None:
    folder = peft_folder(tmp_path / "saved")
    os.truncate(folder / "adapter_config.json", MAX_SETTINGS_BYTES + 1)
    with pytest.raises(CharacterError, match=r"adapter_config\.json is larger than 4 MiB"):
        LoraFile.open(folder)
