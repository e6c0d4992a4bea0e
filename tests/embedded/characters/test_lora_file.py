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


def test_settings_of_peft_belong_to_the_lora(tmp_path: Path) -> None:
    weights, settings = tmp_path / "adapter_model.safetensors", tmp_path / "adapter_config.json"
    weights.write_bytes(header())
    plain = LoraFile.open(weights)
    assert str(plain.name_for("nova")).endswith(".safetensors") and plain.settings is None
    names = {plain.name_for("nova")}
    for given in (b'{"lora_alpha": 8}', b'{"lora_alpha": 16}'):
        settings.write_bytes(given)
        for path in (weights, tmp_path):  # the file, and PEFT's folder
            opened = LoraFile.open(path)
            assert (opened.path, opened.settings) == (weights, given)
        names.add(opened.name_for("nova"))
        assert opened.name_for("nova").name == "adapter_model.safetensors"
    assert len(names) == 3
    os.truncate(settings, MAX_SETTINGS_BYTES + 1)
    with pytest.raises(CharacterError, match=r"adapter_config\.json is larger than 4 MiB"):
        LoraFile.open(weights)
