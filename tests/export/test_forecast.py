"""What `imgen doctor CHECKPOINT` tells from headers is what the export then reads and writes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.memory import GPU, memory_of, memory_of_graphs
from contract.names import DECODER, DENOISER, TEXT_ENCODER
from export.checkpoints.checkpoint import Checkpoint
from export.errors import ExportError
from export.forecast import forecast
from tests.export.single import write_single_file
from tests.export.tiny import save_tiny, save_tiny_sd15


def test_parts_are_counted_as_torch_has_them(tiny: Checkpoint, tiny_folder: Path) -> None:
    found = forecast(tiny_folder)
    encoders = sum(sum(w.numel() for w in one.parameters()) for one in tiny.text_encoders.values())
    decoder = [*tiny.vae.decoder.parameters(), *tiny.vae.post_quant_conv.parameters()]
    assert found.values == {
        TEXT_ENCODER: encoders,
        DENOISER: sum(weight.numel() for weight in tiny.denoiser.parameters()),
        DECODER: sum(weight.numel() for weight in decoder),
    }
    assert (found.family, found.downscale) == (tiny.family.row, tiny.downscale)
    assert found.choice.diffusion == tiny.diffusion and found.unpacked == 0


@pytest.mark.skipif(GPU.exists(), reason="nothing is estimated for a GPU")
def test_memory_is_estimated_as_of_the_exported_model(tiny_folder: Path, repository: Path) -> None:
    found, exported = forecast(tiny_folder), memory_of([repository], "eros", {})
    stored = {part: 4 * values for part, values in found.values.items()}  # this export stores fp32
    foreseen = memory_of_graphs(found.configs, found.downscale, stored, {})
    assert exported is not None and foreseen is not None
    assert foreseen.pictures == exported.pictures
    assert foreseen.loaded == pytest.approx(exported.loaded, rel=0.02)


def test_licence_is_read_from_the_front_of_a_readme(tmp_path: Path) -> None:
    folder = save_tiny_sd15(tmp_path / "tiny")
    assert forecast(folder).licence == ""
    for text, licence in (
        ("---\nlicense: mit\n---\n# Tiny\n", "mit"),
        ("---\nlicense: other\nlicense_name: our-non-commercial\n---\n", "our-non-commercial"),
        ("---\n[\n---\n", ""),
        ("license: mit", ""),
    ):
        (folder / "README.md").write_text(text)
        assert forecast(folder).licence == licence
    assert forecast(folder).is_restricted is False


def test_vae_from_elsewhere_takes_the_place_of_its_own(tmp_path: Path) -> None:
    folder = save_tiny_sd15(tmp_path / "tiny")
    own = forecast(folder)
    shutil.move(folder / "vae", tmp_path / "vae")
    with pytest.raises(ExportError, match="has no VAE"):
        forecast(folder)
    other = forecast(folder, vae=tmp_path / "vae")
    assert other.values == own.values and other.unpacked > 0


@pytest.mark.parametrize("save", [save_tiny, save_tiny_sd15])
def test_single_file_is_told_as_its_folder(tmp_path: Path, save: Callable[[Path], Path]) -> None:
    folder = save(tmp_path / "tiny")
    path = write_single_file(folder, tmp_path / "tiny.safetensors")
    of_folder, of_file = forecast(folder), forecast(path, like=folder)
    assert (of_file.values, of_file.family) == (of_folder.values, of_folder.family)
    assert of_file.configs == of_folder.configs and of_file.downscale == of_folder.downscale
    assert of_file.choice.diffusion == of_folder.choice.diffusion
    assert 0 < of_file.unpacked < path.stat().st_size
