"""LoRA files of strangers that cost more than they should, or say more than a LoRA does: one clean line."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from contract.safetensors_header import MAX_HEADER_BYTES, MAX_TENSORS, BadSafetensors, parse_header
from export.checkpoints.checkpoint import open_checkpoint
from export.errors import ExportError, describe_error
from export.lora.lora_file import read_lora
from export.lora.peft_settings import MAX_PATTERNS
from export.lora.strength import Strength
from export.lora.torch_lora import apply_lora
from tests.export.lora.test_lora_file import NAME, pair, saved

MAX_SECONDS = 20  # on a machine that has much else to do; what is refused took minutes


def refusal(path: Path) -> str:
    began = time.process_time()
    with pytest.raises(ExportError) as caught:
        list(read_lora(path))
    assert time.process_time() - began < MAX_SECONDS
    line = describe_error(caught.value)
    assert line.isprintable() and len(line) < 3_000
    return line


def with_header(folder: Path, header: bytes) -> Path:
    path = folder / "lora.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path


def test_sixty_thousand_patterns_are_refused_at_once(tmp_path: Path) -> None:
    patterns = {f"layer_{number}": 1 for number in range(60_000)}
    for name in ("alpha_pattern", "rank_pattern"):
        path = saved(pair(), tmp_path, **{"unet.lora_alpha": 1, f"unet.{name}": patterns})
        assert f"{name} has 60,000 patterns; expected at most" in refusal(path)


def test_as_many_patterns_as_are_taken_are_matched_in_no_time(tmp_path: Path) -> None:
    layers = {key: value for number in range(300) for key, value in pair(f"unet.layer_{number}.x").items()}
    patterns = {f"layer_{number}.x": 4 for number in range(MAX_PATTERNS)}
    path = saved(layers, tmp_path, **{"unet.lora_alpha": 1, "unet.alpha_pattern": patterns})
    began = time.process_time()
    assert {layer.scale for layer in read_lora(path)} == {2.0}
    assert time.process_time() - began < MAX_SECONDS


@pytest.mark.parametrize("name", ["a_" * 200, "down_blocks_" * 35, "x" * 420 + "_transformer_blocks_"])
def test_many_long_names_are_read_in_no_time(tmp_path: Path, name: str) -> None:
    keys = [f"{name}{number}.lora_{end}.weight" for number in range(10_000) for end in ("down", "up")]
    places = ([2 * number, 2 * number + 2] for number in range(len(keys)))
    entries = {
        key: {"dtype": "F16", "shape": [1, 1], "data_offsets": place}
        for key, place in zip(keys, places, strict=True)
    }
    path = with_header(tmp_path, json.dumps(entries, separators=(",", ":")).encode())
    with path.open("ab") as file:
        file.write(bytes(2 * len(keys)))
    began = time.process_time()
    assert len(read_lora(path).names) == 10_000
    assert time.process_time() - began < MAX_SECONDS


@pytest.mark.parametrize("pattern", [r"\q", "a\\", r"\d\g"])
def test_pattern_that_is_none_is_refused(tmp_path: Path, pattern: str) -> None:
    path = saved(pair(), tmp_path, **{"unet.lora_alpha": 1, "unet.alpha_pattern": {pattern: 1}})
    assert "alpha_pattern has" in refusal(path)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"unet.r":' + "[" * 100_000, "{" + '"a":{' * 50_000, "[]", "7"]
)
def test_settings_that_no_library_writes_are_one_line(tmp_path: Path, text: str) -> None:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = {"__metadata__": {"lora_adapter_metadata": text}, f"{NAME}.diff": entry}
    path = with_header(tmp_path, json.dumps(header).encode())
    path.write_bytes(path.read_bytes() + b"\0\0\0\0")
    assert "PEFT settings" in refusal(path)
    peft = saved(pair("base_model.model.conv_in"), tmp_path)
    (tmp_path / "adapter_config.json").write_text(text)
    assert "adapter_config.json" in refusal(peft)


@pytest.mark.parametrize("settings", [{"unet.alpha_pattern": [1]}, {"unet.alpha_pattern": {"x": None}}])
def test_settings_of_another_type_are_one_line(tmp_path: Path, settings: dict[str, Any]) -> None:
    assert "PEFT settings" in refusal(saved(pair(), tmp_path, **{"unet.lora_alpha": 1, **settings}))


@pytest.mark.parametrize(
    "key", ["\x1b]0;owned\x07", "a\nimgen: all is well", "\u202e.diff", "x" * 100_000 + ".diff"]
)
def test_key_that_cannot_be_printed_is_told_harmlessly(tmp_path: Path, key: str) -> None:
    assert "a name that cannot be printed" in refusal(saved({**pair(), key: torch.ones(1)}, tmp_path))


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
        b"{}" + b" " * (MAX_HEADER_BYTES + 1),
        json.dumps({f"k{number}": {"shape": []} for number in range(MAX_TENSORS + 1)}).encode(),
        b'{"a": {"shape": [1e400]}}',
        b'{"a": {"shape": [-1]}}',
        b'{"a": []}',
        b'{"__metadata__": []}',
        b'{"__metadata__": {"a": 1}}',
        b"\xff\xfe",
    ],
    ids=[
        "deep list",
        "deep object",
        "long",
        "many",
        "infinite",
        "negative",
        "list",
        "notes",
        "number",
        "bytes",
    ],
)
def test_header_that_no_library_writes_is_one_line(tmp_path: Path, header: bytes) -> None:
    assert refusal(with_header(tmp_path, header)).startswith("Cannot read lora.safetensors: it")
    if len(header) <= MAX_HEADER_BYTES:
        with pytest.raises(BadSafetensors):
            parse_header(header)


def test_peft_imports_nothing_that_its_settings_name(tiny_folder: Path, tmp_path: Path) -> None:
    path = saved(pair("base_model.model.mid_block.attentions.0.proj_in"), tmp_path)
    (tmp_path / "this_ran.py").write_text("raise SystemExit('this ran')")
    hostile = {"megatron_config": {"a": 1}, "megatron_core": "this_ran", "target_modules": "(a+)+$"}
    settings = {"r": 2, "lora_alpha": 2, "init_lora_weights": "gaussian", "bias": "all", **hostile}
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    checkpoint = open_checkpoint(tiny_folder)
    weight = checkpoint.denoiser.mid_block.attentions[0].proj_in.weight
    before = weight.detach().clone()
    apply_lora(path, Strength(), checkpoint)
    torch.testing.assert_close(weight.detach(), before + 2)  # a rank of 2, all ones
