import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from contract.families import SDXL
from contract.schedules import ScaledLinearSchedule
from export.checkpoints.checkpoint import open_checkpoint
from export.checkpoints.early_check import check_early, family_of_checkpoint
from export.checkpoints.schedule_choice import ScheduleOptions, schedule_of_folder
from export.errors import ExportError
from tests.export.tiny import BETAS

UNET = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A checkpoint of the test's own, to break."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "broken"))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_pickled_weights_are_refused_with_the_reason(folder: Path) -> None:
    (folder / "unet" / UNET).unlink()
    torch.save({}, folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(ExportError, match=r"diffusion_pytorch_model\.bin is a pickle, which can run code"):
        open_checkpoint(folder)


def test_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / "vae" / UNET).unlink()
    with pytest.raises(ExportError, match=r"vae has no \.safetensors weights"):
        open_checkpoint(folder)


def test_missing_weight_is_refused_instead_of_left_random(folder: Path) -> None:
    weights = load_file(folder / "unet" / UNET)
    del weights["conv_out.bias"]
    save_file(weights, folder / "unet" / UNET)
    with pytest.raises(
        ExportError, match=r"lacks 1 weights that its config asks for, such as conv_out\.bias"
    ):
        open_checkpoint(folder)


def test_half_precision_variant_is_loaded_as_fp32(folder: Path) -> None:
    weights = {name: value.half() for name, value in load_file(folder / "unet" / UNET).items()}
    save_file(weights, folder / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    (folder / "unet" / UNET).unlink()
    assert {weight.dtype for weight in open_checkpoint(folder).denoiser.parameters()} == {torch.float32}


def test_weights_keep_their_type_where_that_is_asked_for(folder: Path) -> None:
    whole = load_file(folder / "unet" / UNET)
    halves = {name: value.half() for name, value in whole.items()}
    save_file(halves, folder / "unet" / "diffusion_pytorch_model.fp16.safetensors")

    def types() -> set[torch.dtype]:
        return {weight.dtype for weight in open_checkpoint(folder, as_stored=True).denoiser.parameters()}

    assert types() == {torch.float32}  # the whole ones come first
    (folder / "unet" / UNET).unlink()
    assert types() == {torch.float16}


def test_class_of_the_checkpoints_own_is_never_loaded(folder: Path) -> None:
    (folder / "unet" / "custom.py").write_text("raise SystemExit('this ran')")
    edit(folder / "model_index.json", unet=["custom", "CustomUNet"])
    with pytest.raises(ExportError, match="must name UNet2DConditionModel as unet"):
        open_checkpoint(folder)


def test_remote_code_that_a_config_asks_for_does_not_run(folder: Path) -> None:
    (folder / "text_encoder" / "custom.py").write_text("raise SystemExit('this ran')")
    edit(folder / "text_encoder" / "config.json", auto_map={"AutoModel": "custom.Custom"})
    assert type(open_checkpoint(folder).networks["text_encoder"]).__name__ == "CLIPTextModel"


@pytest.mark.parametrize("encoder", ["text_encoder", "text_encoder_2"])
def test_text_encoder_of_newer_transformers_is_read(folder: Path, encoder: str) -> None:
    """From 5.6 on it writes no text_model."""
    file = folder / encoder / "model.safetensors"
    weights = load_file(file)
    save_file({key.removeprefix("text_model."): value for key, value in weights.items()}, file)
    found = open_checkpoint(folder).networks[encoder].state_dict()
    assert all(torch.equal(found[key], value) for key, value in weights.items())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"in_channels": 9}, "is an inpainting model: its UNet takes 9 channels"),
        ({"in_channels": 8}, "is an edit model"),
        ({"time_cond_proj_dim": 16}, "is a consistency model whose guidance is an input of its UNet"),
    ],
)
def test_unet_of_another_use_is_refused_by_name(folder: Path, changes: dict[str, int], reason: str) -> None:
    edit(folder / "unet" / "config.json", **changes)
    with pytest.raises(ExportError, match=reason) as caught:
        check_early(folder)
    assert str(caught.value).startswith(str(folder)) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("pipeline", "encoder"),
    [
        ("PixArtSigmaPipeline", "T5EncoderModel"),
        ("HunyuanDiTPipeline", "T5EncoderModel"),
        ("KolorsPipeline", "ChatGLM"),
    ],
)
def test_folder_of_another_family_is_refused_by_its_name(folder: Path, pipeline: str, encoder: str) -> None:
    edit(folder / "model_index.json", _class_name=pipeline, text_encoder_3=["transformers", encoder])
    with pytest.raises(ExportError, match=f"is of {pipeline}; only SDXL, SD 1.5, .* can be exported"):
        check_early(folder)


@pytest.mark.parametrize("pipeline", ["StableDiffusionXLImg2ImgPipeline", "OfSomebody"])
def test_folder_of_an_unknown_pipeline_is_told_by_its_networks(folder: Path, pipeline: str) -> None:
    edit(folder / "model_index.json", _class_name=pipeline)
    assert family_of_checkpoint(folder) is SDXL


def test_quantised_weights_of_a_folder_are_refused_by_name(folder: Path) -> None:
    weights = load_file(folder / "unet" / UNET)
    key = "mid_block.attentions.0.proj_in.weight.quant_state.bitsandbytes__nf4"
    save_file({**weights, key: torch.zeros(4, dtype=torch.uint8)}, folder / "unet" / UNET)
    with pytest.raises(ExportError, match=r"holds quantised weights \(nf4 of bitsandbytes: "):
        check_early(folder)


def test_eight_bits_of_a_folder_are_read_and_those_with_scales_refused(folder: Path) -> None:
    path = folder / "text_encoder" / "model.safetensors"
    weights = load_file(path)
    key = next(key for key in weights if key.endswith("q_proj.weight"))
    weights[key] = weights[key].to(torch.float8_e4m3fn)
    save_file(weights, path)
    network = open_checkpoint(folder).networks["text_encoder"]
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    save_file({**weights, f"{key}_scale": torch.ones(1)}, path)
    with pytest.raises(ExportError, match=r"8-bit weights with scales, in .*weight_scale, which are read"):
        open_checkpoint(folder)


def test_folder_without_a_scheduler_is_asked_for_the_prediction(folder: Path) -> None:
    (folder / "scheduler" / "scheduler_config.json").unlink()
    with pytest.raises(ExportError, match=r"scheduler_config\.json is missing; say .*--prediction"):
        schedule_of_folder(folder, ScheduleOptions())
    assert schedule_of_folder(folder, ScheduleOptions(prediction="v")).diffusion.prediction == "v"


def test_folder_in_a_cache_of_the_hub_is_known_by_its_models_name(folder: Path, tmp_path: Path) -> None:
    cached = tmp_path / "models--somebody--sdxl-turbo" / "snapshots" / "0a1b"
    cached.parent.mkdir(parents=True)
    folder.rename(cached)
    edit(cached / "scheduler" / "scheduler_config.json", **BETAS, _class_name="EulerDiscreteScheduler")
    found = schedule_of_folder(cached, ScheduleOptions()).diffusion.schedule
    assert isinstance(found, ScaledLinearSchedule) and found.spacing == "trailing"


def test_unet_of_another_family_is_refused(folder: Path) -> None:
    edit(folder / "unet" / "config.json", addition_embed_type=None)
    with pytest.raises(ExportError, match="addition_embed_type is None"):
        open_checkpoint(folder)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"unet": 5}'])
def test_folder_that_is_no_checkpoint_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "model_index.json").write_text(content)
    with pytest.raises(ExportError, match=r"model_index\.json"):
        open_checkpoint(tmp_path)
