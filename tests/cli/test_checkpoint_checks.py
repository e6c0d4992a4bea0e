"""`imgen doctor CHECKPOINT`: by headers alone, of files that are as large as published ones and empty."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from cli.main import main

Shapes = Mapping[str, tuple[int, ...]]
SIZES = {"F16": 2, "F32": 4}
UNET = "model.diffusion_model."
SDXL: Shapes = {
    f"{UNET}input_blocks.0.0.weight": (320, 4, 3, 3),
    f"{UNET}middle_block.1.weight": (2_560, 1_000_000),  # as many values as all of the published one
    "conditioner.embedders.0.transformer.text_model.weight": (123, 1_000_000),
    "conditioner.embedders.1.model.text_projection": (1280, 1280),
    "conditioner.embedders.1.model.weight": (690, 1_000_000),
    "first_stage_model.decoder.conv_in.weight": (49, 1_000_000),
    "first_stage_model.encoder.conv_in.weight": (34, 1_000_000),
}


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IMGEN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("IMGEN_MEMORY_MB", "64000")
    monkeypatch.setenv("IMGEN_CPU_RUNTIME", "openvino")
    return tmp_path


def write(path: Path, shapes: Shapes, dtype: str = "F16", metadata: Mapping[str, str] | None = None) -> Path:
    """A safetensors file of that length, which takes no room on disk."""
    table: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + SIZES[dtype] * math.prod(shape)
        table[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    header = json.dumps(table).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + end)
    return path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    code = main(["doctor", *arguments])
    return code, [line.strip() for line in capsys.readouterr().out.splitlines()]


def test_file_of_the_published_size_is_told_with_what_it_takes(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(data / "big-lightning.safetensors", SDXL, metadata={"modelspec.license": "openrail++"})
    _, lines = told(capsys, str(path))
    assert "✓ checkpoint: SDXL, one file, 3,424 million weights" in lines
    assert any(line.startswith("✓ noise: predicts epsilon") and "few steps" in line for line in lines)
    assert "✓ licence: openrail++" in lines
    # Three networks in fp16, and twice as much that is compiled.
    assert any("take about 20.5 GB in" in line for line in lines)
    (drawing,) = (line for line in lines if "its largest picture takes about" in line)
    assert drawing.startswith("✓ memory: ") and "there is 62.5 GiB" in drawing
    (exporting,) = (line for line in lines if "the export takes about" in line)
    assert "memory: " in exporting


def test_machine_that_is_too_small_is_told_what_to_do(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGEN_MEMORY_MB", "8000")
    path = write(data / "big.safetensors", SDXL)
    code, lines = told(capsys, str(path))
    assert code == 1
    (at,) = (number for number, line in enumerate(lines) if "not even its smallest picture fits" in line)
    assert lines[at].startswith("✗ memory: ") and lines[at + 1].startswith("→ add memory, remove other")


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"lora_unet_x.lora_down.weight": (4, 4)}, "a LoRA; `imgen character add` takes it"),
        ({f"{UNET}double_blocks.0.weight": (4, 4)}, "FLUX"),
        ({**SDXL, f"{UNET}input_blocks.0.0.weight": (320, 9, 3, 3)}, "an inpainting model"),
        ({**SDXL, f"{UNET}x.qweight": (4, 4)}, "quantised weights"),
    ],
)
def test_what_the_export_would_refuse_is_refused_at_once(
    data: Path, shapes: Shapes, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = told(capsys, str(write(data / "x.safetensors", shapes)))
    assert code == 1 and lines[-1] == "1 to mend, 0 to look at"
    (line,) = (line for line in lines if line.startswith("✗"))
    assert line.startswith("✗ checkpoint: ") and words in line


def test_file_that_is_not_there_is_told(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = told(capsys, str(data / "none.safetensors"))
    assert code == 1 and f"✗ checkpoint: there is no {data}/none.safetensors" in lines


@pytest.mark.parametrize("name", ["non-commercial", "CC-BY-NC-4.0", "stabilityai-ai-community"])
def test_licence_that_may_keep_pictures_from_customers_is_told(
    data: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(data / "x.safetensors", SDXL, metadata={"license": name})
    _, lines = told(capsys, str(path))
    assert f"! licence: {name}; read whether its pictures may serve customers" in lines


def test_triton_elsewhere_is_no_matter_of_this_machines_memory(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGEN_TRITON_URLS", "gpu1:8001")
    _, lines = told(capsys, str(write(data / "x.safetensors", SDXL)))
    assert "✓ memory: pictures are drawn elsewhere (IMGEN_TRITON_URLS)" in lines
