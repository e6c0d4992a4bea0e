import shutil
from pathlib import Path

import pytest

from contract.inventory import BadInventory, ModelStock, inventory_to_json, read_inventory, take_stock

LARGE = 1 << 50  # bytes


def test_inventory_is_read_as_it_was_told() -> None:
    inventory = {
        "eros": ModelStock(frozenset({"aya", "bella"}), {"1024x1024": "too much"}),
        "alto": ModelStock(frozenset()),
    }
    assert read_inventory(inventory_to_json(inventory).encode()) == inventory


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b'{"eros": 3}', b'{"eros": {}}', b'{"eros": {"characters": 3}}']
)
def test_what_is_no_inventory_is_told_to_be_none(text: bytes) -> None:
    with pytest.raises(BadInventory):
        read_inventory(text)


def test_stock_is_what_is_loaded_and_the_characters_that_have_weights(
    tiny_repository: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_repository, folder, ignore=shutil.ignore_patterns("*--dora"))
    (folder / "tiny-denoiser--bella" / "config.pbtxt").unlink()
    everything = {"tiny": ModelStock(frozenset({"aya", "cleo"}))}
    assert take_stock([tmp_path, folder], lambda _: True, LARGE) == everything
    assert take_stock([folder], lambda name: name != "tiny-decoder", LARGE) == {}
    shutil.rmtree(folder / "tiny-text-encoder" / "tokenizer")
    assert take_stock([folder], lambda _: True, LARGE) == {}
