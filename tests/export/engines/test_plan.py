"""TensorRT plans, built by TensorRT for RTX, which needs no GPU for that."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from diffusers import UNet2DConditionModel

from contract.sizes import SIZES
from export.__main__ import main
from export.character import merge_character
from export.checkpoints.checkpoint import Checkpoint
from export.engines.builder import load_builder
from export.engines.plan import TIMING_CACHE, add_plan, for_tensorrt
from export.engines.recipe import EngineOptions, Recipe
from export.errors import ExportError
from export.graphs.storage import engine_digest
from export.networks.networks import networks_of
from export.repository.triton_config import config_of
from tests.export.loras import peft_state, save_kohya, with_lora

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "demo" / "models"
BUILT = EngineOptions(sizes=SIZES[:2], batch=2)


@pytest.fixture(scope="module")
def planned(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint as plans for two sizes and batches up to 2, through the command."""
    folder = tmp_path_factory.mktemp("planned")
    options = ["--engine", "tensorrt", "--sizes", "1344x768, 1024x1024", "--batch", "2"]
    assert main([str(tiny_folder), "--name", "eros", "--output", str(folder), *options]) == 0
    return folder


def test_every_part_has_a_plan_and_keeps_its_graph(planned: Path) -> None:
    parts = sorted(planned.glob("eros-*"))
    assert [path.name for path in parts] == ["eros-decoder", "eros-denoiser", "eros-text-encoder"]
    for part in parts:
        assert (part / "1" / "model.plan").stat().st_size > 1000
        assert (part / "1" / "model.onnx").is_file()
        assert (part / "build.log").stat().st_size > 0
        record = json.loads((part / "plan.json").read_text())
        assert record["builder"] in ("tensorrt", "tensorrt_rtx")
        assert re.match(r"\d+\.\d+", record["version"])
        assert record["gpu"]
        assert record["made"] == "built" and record["recipe"]["refittable"] is False


def test_text_to_image_is_told_how_long_a_prompt_the_plan_takes(planned: Path) -> None:
    denoiser = planned / "eros-denoiser"
    described = json.loads((denoiser / "pipeline.json").read_text())
    profile = json.loads((denoiser / "plan.json").read_text())["recipe"]["profiles"][0]
    assert profile["embeddings"][2][1] == described["max_windows"] * described["token_window"]


def test_triton_is_told_of_the_profiles(planned: Path) -> None:
    denoiser, encoder = (
        (planned / f"eros-{part}" / "config.pbtxt").read_text() for part in ("denoiser", "text-encoder")
    )
    assert 'backend: "tensorrt"' in denoiser
    assert 'profile: [ "0", "1" ]' in denoiser
    assert 'profile: [ "0" ]' in encoder
    assert "\nmax_batch_size: 2\n" in denoiser
    # Two prompts of four windows come at once, even for one picture.
    assert "\nmax_batch_size: 8\n" in encoder


def test_the_hash_is_that_of_what_runs(planned: Path) -> None:
    hashes = json.loads((planned / "eros-denoiser" / "weights.json").read_text())
    assert hashes["engine"] == engine_digest(planned / "eros-denoiser")
    (record,) = [json.loads((planned / "eros-denoiser" / "plan.json").read_text())]
    assert record["onnx_sha256"] != hashes["engine"]


def test_a_character_of_a_planned_model_gets_a_plan(planned: Path, tiny_folder: Path, tmp_path: Path) -> None:
    unet = with_lora(UNet2DConditionModel.from_pretrained(tiny_folder / "unet"), seed=1)
    lora = save_kohya(peft_state(unet), tmp_path / "lora.safetensors")
    made = merge_character(planned / "eros-denoiser", lora, tmp_path / "eros-denoiser--aya").folder
    base, own = (json.loads((path / "plan.json").read_text()) for path in (planned / "eros-denoiser", made))
    assert own["recipe"] == base["recipe"]
    assert own["onnx_sha256"] != base["onnx_sha256"]
    assert 'backend: "tensorrt"' in (made / "config.pbtxt").read_text()


def test_profiles_cover_every_size_batch_and_prompt(tiny: Checkpoint) -> None:
    encoder, denoiser, decoder = (network.part for network in networks_of(tiny))
    recipe = Recipe.of(denoiser, EngineOptions(), downscale=8)
    assert [profile["latents"][2][2:] for profile in recipe.profiles] == [
        [height // 8, width // 8] for width, height in SIZES
    ]
    for profile in recipe.profiles:
        assert [shape[0] for shape in profile["latents"]] == [1, 1, 8]
        assert [shape[1] for shape in profile["embeddings"]] == [77, 77, 308]
    assert len(Recipe.of(decoder, EngineOptions(), downscale=8).profiles) == 7
    assert len(Recipe.of(encoder, EngineOptions(), downscale=8).profiles) == 1


@pytest.mark.parametrize("part", ["text-encoder", "denoiser", "decoder"])
def test_the_demo_model_can_be_built(part: str, tmp_path: Path) -> None:
    """Every part of it, from the committed graphs."""
    from export.checkpoints.checkpoint import open_checkpoint
    from export.checkpoints.restore import restore_checkpoint

    checkpoint = open_checkpoint(restore_checkpoint(DEMO, "eros", tmp_path / "demo"))
    network = next(one for one in networks_of(checkpoint) if one.part.name == part)
    folder = tmp_path / f"eros-{part}"
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.onnx").symlink_to(DEMO / f"eros-{part}" / "1" / "model.onnx")
    (folder / "config.pbtxt").write_text(config_of(folder.name, network.part))
    add_plan(folder, Recipe.of(network.part, BUILT, checkpoint.downscale), tmp_path / TIMING_CACHE)
    assert (folder / "1" / "model.plan").stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sizes", "big"], "--sizes big: expected WIDTHxHEIGHT"),
        (["--sizes", "640x480"], "The size 640x480 is none of 1344x768"),
        (["--batch", "9"], "The batch 9 must be 1 to 8"),
        (["--workspace-mb", "1"], "The workspace of 1 MiB must be 64 to 1048576"),
    ],
)
def test_options_are_refused_in_one_line(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    given = [str(tiny_folder), "--name", "eros", "--output", str(tmp_path / "out"), "--engine", "tensorrt"]
    assert main([*given, *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_graph_that_tensorrt_cannot_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ExportError, match="TensorRT cannot read"):
        add_plan(tmp_path, Recipe(profiles=[]), tmp_path / TIMING_CACHE)


def test_without_a_builder_the_way_out_is_told() -> None:
    with pytest.raises(ExportError, match=r"uv pip install --python \S+ tensorrt"):
        load_builder(("no_such_builder",))


def test_character_of_a_plan_that_another_version_built_is_refused_before_anything_is_merged(
    planned: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    base = Path(shutil.copytree(planned, tmp_path / "old")) / "eros-denoiser"
    record = json.loads((base / "plan.json").read_text())
    (base / "plan.json").write_text(json.dumps(record | {"version": "0.1"}))
    unet = with_lora(UNet2DConditionModel.from_pretrained(tiny_folder / "unet"), seed=1)
    lora = save_kohya(peft_state(unet), tmp_path / "lora.safetensors")
    with pytest.raises(ExportError, match=r"was built by tensorrt_rtx 0.1 .* export the model here"):
        merge_character(base, lora, tmp_path / "out" / "eros-denoiser--aya")
    assert not (tmp_path / "out").exists()


def test_character_without_a_builder_is_refused_and_nothing_is_written(planned: Path, tmp_path: Path) -> None:
    """In the environment that merges characters, which has no TensorRT."""
    python = ROOT / ".venv" / "parts" / "triton" / "bin" / "python"
    if not python.is_file():
        pytest.skip("needs Triton's environment (make install)")
    (tmp_path / "lora.safetensors").write_bytes(b"never read")
    command = [str(python), "-m", "export.character", str(tmp_path / "lora.safetensors"), "--name", "aya"]
    options = ["--model", "eros", "--repository", str(planned), "--output", str(tmp_path / "out")]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert f"uv pip install --python {python} tensorrt" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_rest_of_the_config_stays(tiny: Checkpoint) -> None:
    part = next(iter(networks_of(tiny))).part
    before, after = (
        config_of("eros-text-encoder", part),
        for_tensorrt(config_of("eros-text-encoder", part), Recipe.of(part, EngineOptions(), downscale=8)),
    )
    kept = [line for line in before.splitlines() if not line.startswith(("backend", "instance_group"))]
    assert [line for line in after.splitlines() if not line.startswith(("backend", "instance_group"))] == kept
