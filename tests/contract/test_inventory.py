import shutil
from pathlib import Path

import pytest

from contract.inventory import BadInventory, ModelStock, inventory_to_json, read_inventory, take_stock
from contract.order_counts import tell_order_counts, told_order_counts
from tests.banked_models import MERGED, STYLES

LARGE = 1 << 50  # bytes
CHARACTERS = frozenset({"aya", "cleo"})


def test_inventory_is_read_as_it_was_told() -> None:
    inventory = {
        "eros": ModelStock(
            frozenset({"aya", "bella"}),
            {"1024x1024": "too much"},
            {"eros-decoder": "openvino 2026.4.1 f32"},
            frozenset({"aya"}),
            at_once=16,
            orders=3,
            styles={"ink": "a" * 64},
            flow=True,
        ),
        "alto": ModelStock(frozenset()),
    }
    assert read_inventory(inventory_to_json(inventory).encode()) == inventory


def test_what_an_older_triton_tells_is_read_and_odd_runtimes_are_not() -> None:
    assert read_inventory(b'{"eros": {"characters": [], "too_large": {}}}') == {
        "eros": ModelStock(frozenset())
    }
    odd = (
        b'{"eros": {"characters": [], "too_large": {}, "runtimes": {"a": "two\\nlines", "b": "good 1 f32"}}}'
    )
    assert read_inventory(odd)["eros"].runtimes == {"b": "good 1 f32"}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"eros": {"characters": [], "too_large": {}, "runtimes": {"a": 3}}}',
        b"{",
        b'{"eros": 3}',
        b'{"eros": {}}',
        b'{"eros": {"characters": 3}}',
        b'{"eros": {"characters": [], "too_large": {}, "at_once": "many"}}',
        b'{"eros": {"characters": [], "too_large": {}, "styles": ["ink"]}}',
    ],
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
    everything = {"tiny": ModelStock(CHARACTERS, loaded=CHARACTERS, at_once=16, flow=True)}
    told = {"tiny-denoiser": "openvino 2026.4.1 f32", "tiny-denoiser--aya": "another"}
    found = take_stock([folder], lambda _: True, LARGE, lambda name: told.get(name, ""))
    assert found["tiny"].runtimes == {"tiny-denoiser": "openvino 2026.4.1 f32"}
    assert take_stock([tmp_path, folder], lambda _: True, LARGE) == everything
    one = take_stock([folder], lambda name: not name.endswith("--cleo"), LARGE, orders={"tiny": 3})["tiny"]
    assert (one.characters, one.loaded, one.orders) == (CHARACTERS, frozenset({"aya"}), 3)
    assert take_stock([folder], lambda name: name != "tiny-decoder", LARGE) == {}
    shutil.rmtree(folder / "tiny-text-encoder" / "tokenizer")
    assert take_stock([folder], lambda _: True, LARGE) == {}


def test_stock_tells_the_styles_that_a_bank_can_hold_and_none_where_there_is_no_bank(
    banked_repository: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "banked"
    shutil.copytree(banked_repository, folder)
    styles = {name: f"{seed:064x}" for name, seed in STYLES.items()}
    assert take_stock([folder], lambda _: True, LARGE)["banked"].styles == styles
    (folder / "banked-denoiser" / "bank.json").unlink()
    found = take_stock([folder], lambda _: True, LARGE)["banked"]
    assert (found.styles, found.characters) == ({}, frozenset({MERGED}))


def test_orders_are_told_by_one_process_and_read_by_another(tmp_path: Path) -> None:
    file = tmp_path / "imgen-1.orders"
    assert told_order_counts(file) == {}
    tell_order_counts(file, {"eros": 3, "alto": 0})
    assert told_order_counts(file) == {"eros": 3}
    for broken in ("", "[]", '{"eros": "x"}'):
        file.write_text(broken)
        assert told_order_counts(file) == {}
