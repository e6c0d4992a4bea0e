"""Files that cannot be exported are called by their names, by header or first bytes alone."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from export.checkpoints.early_check import check_early
from export.errors import ExportError

UNET = "model.diffusion_model."
SDXL = {
    f"{UNET}input_blocks.0.0.weight": (8, 4, 3, 3),
    "conditioner.embedders.0.transformer.text_model.final_layer_norm.weight": (8,),
    "conditioner.embedders.1.model.text_projection": (8, 8),
    "first_stage_model.decoder.conv_in.weight": (8, 4, 3, 3),
}
SD15 = {
    f"{UNET}input_blocks.0.0.weight": (8, 4, 3, 3),
    "cond_stage_model.transformer.text_model.final_layer_norm.weight": (8,),
    "first_stage_model.decoder.conv_in.weight": (8, 4, 3, 3),
}


def written(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Path:
    save_file({key: torch.zeros(shape) for key, shape in shapes.items()}, path)
    return path


@pytest.mark.parametrize("shapes", [SDXL, SD15])
def test_checkpoint_is_let_through(shapes: Mapping[str, tuple[int, ...]], tmp_path: Path) -> None:
    check_early(written(tmp_path / "one.safetensors", shapes))


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("cond_stage_model.model.ln_final.weight", "is Stable Diffusion 2"),
        ("conditioner.embedders.0.model.ln_final.weight", "is the SDXL refiner"),
        (f"{UNET}joint_blocks.0.x", "lacks the text encoder clip_l; name the files .* --text-encoder FILE"),
        ("joint_blocks.0.x", "is Stable Diffusion 3's transformer alone"),
        (f"{UNET}double_blocks.0.img_attn.qkv.weight", "is another kind of FLUX"),
        ("double_blocks.0.img_attn.qkv.weight", "is another kind of FLUX"),
        ("double_blocks.0.img_mod.linear.weight", "is HunyuanVideo"),
        (f"{UNET}distilled_guidance_layer.in_proj.weight", "is Chroma"),
        (f"{UNET}cap_embedder.0.weight", "is Lumina 2"),
        ("txt_norm.weight", "is Qwen-Image"),
        (f"{UNET}input_blocks.1.0.time_stack.x", "is Stable Video Diffusion"),
        ("lora_unet_mid_block_attentions_0_proj_in.lora_up.weight", "is a LoRA"),
        ("control_model.input_blocks.0.0.weight", "is a ControlNet"),
        ("image_proj.proj.weight", "is an IP-Adapter"),
        ("emb_params", "is a trained embedding"),
        ("down_blocks.0.resnets.0.conv1.weight", "is a UNet of diffusers alone"),
        ("decoder.conv_in.weight", "is a VAE; --vae takes it"),
        ("text_model.final_layer_norm.weight", "is a text encoder"),
        ("other", "is no SDXL, SD 1.5, .* checkpoint"),
    ],
)
def test_another_kind_of_file_is_refused_by_name(key: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=reason):
        check_early(written(tmp_path / "one.safetensors", {key: (2,)}))


@pytest.mark.parametrize("base", [SDXL, SD15])
@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (
            {f"{UNET}input_blocks.0.0.weight": (8, 9, 3, 3)},
            "is an inpainting model: its UNet",
        ),
        ({f"{UNET}input_blocks.0.0.weight": (8, 8, 3, 3)}, "is an edit model"),
        ({f"{UNET}input_blocks.0.0.weight": (8, 5, 3, 3)}, "is a model of depth pictures"),
        ({f"{UNET}input_blocks.0.0.weight": (8, 7, 3, 3)}, "is an upscaler"),
        ({f"{UNET}time_embed.cond_proj.weight": (8, 8)}, "is a consistency model whose guidance"),
        (
            {f"{UNET}out.2.weight.quant_state.bitsandbytes__nf4": (4,)},
            "quantised weights .nf4 of",
        ),
        ({f"{UNET}out.2.weight.absmax": (4,)}, "quantised weights .bitsandbytes"),
        ({f"{UNET}out.2.SCB": (4,)}, "quantised weights .int8 of bitsandbytes"),
        ({f"{UNET}out.2.qweight": (4,)}, "quantised weights .GPTQ, AWQ or SVDQuant"),
        ({f"{UNET}out.2.weight._data": (4,)}, "quantised weights .quanto"),
        ({f"{UNET}out.2.weight_scale_2": (4,)}, "quantised weights .nvfp4"),
        ({"cond_stage_model.model.x": (4,)}, "is Stable Diffusion 2"),
    ],
)
def test_checkpoint_of_another_use_is_refused_by_name(
    base: Mapping[str, tuple[int, ...]], more: Mapping[str, tuple[int, ...]], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=reason) as caught:
        check_early(written(tmp_path / "one.safetensors", {**base, **more}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("begin", "reason"),
    [
        (b"GGUF\x03\x00\x00\x00", "it is GGUF, whose weights are quantised"),
        (b"PK\x03\x04\x00\x00archive/data.pkl", "it is a pickle, .*; convert it to safetensors first"),
        (b"\x80\x02\x8a\nl\xfc\x9c", "it is a pickle"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is Git LFS' note of the file"),
        (b"\n<!DOCTYPE html><html>", "it is a web page"),
        (b"\x00" * 64, "it does not begin with a header"),
    ],
)
def test_what_is_no_safetensors_file_is_called_by_its_name(begin: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    path.write_bytes(begin + bytes(200))
    with pytest.raises(ExportError, match=f"Cannot read {path}: {reason}"):
        check_early(path)
