import json
import shutil
from pathlib import Path

import pytest

from contract.memory import (
    ENGINES,
    GPU,
    MEMORY,
    ModelMemory,
    characters_that_fit,
    gib,
    loaded_characters,
    memory_limit,
    memory_of,
    pictures_at_once,
    refusals,
    words_of_refusal,
)
from contract.sizes import SIZES

DEMO = Path(__file__).parents[2] / "demo" / "models"
MIB = 1 << 20
pytestmark = pytest.mark.skipif(GPU.exists(), reason="estimates are of CPUs")


ONNXRUNTIME = {"IMGEN_CPU_RUNTIME": "onnxruntime"}
OPENVINO: dict[str, str] = {}


def demo(environ: dict[str, str] = ONNXRUNTIME) -> ModelMemory:
    memory = memory_of([DEMO], "eros", environ)
    assert memory is not None
    return memory


def test_estimate_of_the_demo_model_is_near_what_was_measured() -> None:
    """MiB, a process for each session: text encoder, denoiser and decoder loaded take 54 + 10, 54 + 90 and
    54 + 37; pictures of 1024x1024 and 1344x768 4 + 456 and 4 + 449."""
    memory = demo()
    assert 299 <= memory.loaded / MIB <= 1.3 * 299
    assert 460 <= memory.pictures[1024, 1024] / MIB <= 1.3 * 460
    assert 453 <= memory.pictures[1344, 768] / MIB <= 1.3 * 453
    assert set(memory.pictures) == set(SIZES) and memory.loading >= memory.loaded


def test_estimate_of_the_demo_model_in_openvino_is_near_what_was_measured() -> None:
    """MiB: text encoder, denoiser and decoder loaded take 56, 119 and 116, and their libraries 60; pictures
    of 1024x1024 and 1344x768 33 + 416 and 45 + 416."""
    memory = demo(OPENVINO)
    assert 351 <= memory.loaded / MIB <= 1.3 * 351
    assert 449 <= memory.pictures[1024, 1024] / MIB <= 1.3 * 449
    assert 461 <= memory.pictures[1344, 768] / MIB <= 1.3 * 461
    assert memory.loading >= memory.loaded


def changed(folder: Path, part: str, file: str, **keys: object) -> Path:
    models = folder / "models"
    if not models.exists():
        shutil.copytree(DEMO, models)
    path = models / f"eros-{part}" / file
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))
    return models


SD15 = {
    "block_out_channels": [320, 640, 1280, 1280],
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "attention_head_dim": 8,
}
SDXL = {
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "attention_head_dim": [5, 10, 20],
}


def test_scores_of_attention_grow_with_the_square_of_the_picture(tmp_path: Path) -> None:
    """SD 1.5's at 1024x1024: 2 x 8 heads x 16,384 x 16,384 in fp32 are 16 GiB; SDXL has none there."""
    changed(tmp_path, "denoiser", "pipeline.json", downscale=8)
    models = changed(tmp_path, "denoiser", "checkpoint/unet/config.json", **SD15)
    sd15 = memory_of([models], "eros", ONNXRUNTIME)
    changed(tmp_path, "denoiser", "checkpoint/unet/config.json", **SDXL)
    sdxl = memory_of([models], "eros", ONNXRUNTIME)
    changed(tmp_path, "denoiser", "checkpoint/unet/config.json", attention_head_dim=[5, 40, 20])
    more_heads = memory_of([models], "eros", ONNXRUNTIME)
    assert sd15 and sdxl and more_heads
    large = (1024, 1024)
    assert 16 << 30 < sd15.pictures[large] - sdxl.pictures[large] < 19 << 30
    assert more_heads.pictures[large] > sdxl.pictures[large]
    assert sd15.pictures[large] > sd15.pictures[1216, 832]
    changed(tmp_path, "denoiser", "checkpoint/unet/config.json", **SD15)
    fused = memory_of([models], "eros", OPENVINO)
    assert fused and 16 << 30 < sd15.pictures[large] - fused.pictures[large]  # it is never whole there


@pytest.mark.parametrize("backend", ["tensorrt", "inductor"])
def test_engine_without_a_row_is_not_estimated(tmp_path: Path, backend: str) -> None:
    models = changed(tmp_path, "denoiser", "pipeline.json")
    config = models / "eros-denoiser" / "config.pbtxt"
    config.write_text(config.read_text().replace("onnxruntime", backend))
    assert backend not in ENGINES and memory_of([models], "eros") is None
    assert refusals([models], ["eros"], 1) == {"eros": {}}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"block_out_channels": 3}', '{"block_out_channels": [[]]}']
)
def test_model_of_another_origin_is_not_estimated(tmp_path: Path, text: str) -> None:
    models = changed(tmp_path, "denoiser", "pipeline.json")
    (models / "eros-denoiser" / "checkpoint" / "unet" / "config.json").write_text(text)
    assert memory_of([models], "eros") is None
    shutil.rmtree(models / "eros-decoder" / "checkpoint")
    assert memory_of([models], "eros") is None


def test_sizes_that_do_not_fit_are_refused_in_a_sentence() -> None:
    memory = demo()
    least = memory.loaded + min(memory.pictures.values())
    refused = refusals([DEMO], ["eros"], least, ONNXRUNTIME)["eros"]
    assert "1024x1024" in refused and "1216x832" not in refused
    assert refused["1024x1024"] == words_of_refusal(
        "eros", (1024, 1024), memory.loaded + memory.pictures[1024, 1024], least
    )
    assert refused["1024x1024"].endswith(f"of memory; there is {gib(least)}")
    assert refusals([DEMO], ["eros"], 1 << 40) == {"eros": {}}


def test_limit_is_what_was_told_or_else_what_there_is() -> None:
    assert memory_limit({MEMORY: "100"}) == 100 * MIB
    whole = memory_limit({})
    assert 64 * MIB < whole <= 1 << 50
    assert (
        memory_limit({MEMORY: ""}) == memory_limit({MEMORY: "0"}) == memory_limit({MEMORY: "much"}) == whole
    )


def test_characters_have_the_room_that_models_and_their_largest_picture_leave() -> None:
    memory = demo()
    needed = memory.loaded + max(memory.pictures.values())
    fit = characters_that_fit([memory], needed + 270 * MIB, ONNXRUNTIME)
    assert fit == 100 * MIB and loaded_characters(fit, ONNXRUNTIME) == 270 * MIB
    assert characters_that_fit([memory], needed - 1, ONNXRUNTIME) == 0


def test_two_batches_are_held_at_a_time_and_no_more_than_fit_the_memory(tmp_path: Path) -> None:
    memory = demo()
    largest = max(memory.pictures.values())
    for limit, held in (
        (1 << 50, 16),
        (memory.loaded + 3 * largest, 3),
        (memory.loaded + largest, 1),
    ):
        assert pictures_at_once([DEMO], ["eros"], limit, ONNXRUNTIME) == {"eros": held}
    models = tmp_path / "models"
    shutil.copytree(DEMO, models)
    config = models / "eros-denoiser" / "config.pbtxt"
    config.write_text(config.read_text().replace("max_batch_size: 8", "max_batch_size: 2"))
    assert pictures_at_once([models], ["eros"], 1 << 50, ONNXRUNTIME) == {"eros": 4}
