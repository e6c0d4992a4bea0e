"""A tiny random SDXL checkpoint in diffusers' layout, with a CLIP-style tokenizer of a few words."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    UNet2DConditionModel,
)
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, PreTrainedTokenizerFast

WORDS = (
    "a",
    "under",
    "tree",
    "reading",
    "book",
    "warm",
    "lighting",
    "rain",
    "fox",
    "hill",
    "neon",
    "lake",
    ",",
)
BEGIN, END, PAD = "<|startoftext|>", "<|endoftext|>", "!"
VOCABULARY = {word: number for number, word in enumerate((PAD, "<unk>", *WORDS, BEGIN, END))}
CHANNELS, POOLED = 4, 32

FLOW = {"shift": 3.0}
BETAS = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "timestep_spacing": "leading",
    "steps_offset": 1,
}


def tokenizer(pad: str) -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.WordLevel(VOCABULARY, unk_token="<unk>"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A {END}", special_tokens=[(BEGIN, VOCABULARY[BEGIN]), (END, VOCABULARY[END])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token=BEGIN, eos_token=END, pad_token=pad, unk_token="<unk>"
    )


def text_config(width: int, **more: Any) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=2,
        bos_token_id=VOCABULARY[BEGIN],
        **more,
    )


def unet_sd15(width: int = 32) -> UNet2DConditionModel:
    """As SD 1.5's: projections are convolutions, nothing is added to the timestep."""
    return UNet2DConditionModel(
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=4,
        cross_attention_dim=width,
        norm_num_groups=8,
    )


def unet(width: int = 96) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=1,
        attention_head_dim=(2, 4),
        cross_attention_dim=width,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + POOLED,
        norm_num_groups=8,
    )


def vae(**more: Any) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(4, 8, 8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 6,
        up_block_types=("UpDecoderBlock2D",) * 6,
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=4,
        scaling_factor=0.13025,
        **more,
    )


def scheduler(prediction: str) -> Any:
    if prediction == "flow":
        return FlowMatchEulerDiscreteScheduler(**FLOW)
    if prediction == "v, zero SNR":
        options = {**BETAS, "timestep_spacing": "trailing", "rescale_betas_zero_snr": True}
        return EulerDiscreteScheduler(prediction_type="v_prediction", **options)
    kind = {"v": "v_prediction", "epsilon": "epsilon"}[prediction]
    return EulerDiscreteScheduler(prediction_type=kind, **BETAS)


def round_to_fp16(network: torch.nn.Module) -> None:
    """So that the checkpoint loses nothing when it is stored as fp16."""
    for weight in network.parameters():
        weight.data = weight.data.half().float()


def save_tiny(folder: Path, prediction: str = "flow", seed: int = 0) -> Path:
    """Weights are random but the same for the same seed."""
    torch.manual_seed(seed)
    networks: dict[str, Any] = {
        "text_encoder": CLIPTextModel(text_config(32, eos_token_id=VOCABULARY[END])),
        # As in the published SDXL: 2 means "the highest id of the window".
        "text_encoder_2": CLIPTextModelWithProjection(text_config(64, eos_token_id=2, projection_dim=POOLED)),
        "unet": unet(),
        "vae": vae(),
        "tokenizer": tokenizer(END),
        "tokenizer_2": tokenizer(PAD),
    }
    return save_checkpoint(folder, "StableDiffusionXLPipeline", networks, prediction)


def save_tiny_sd15(folder: Path, prediction: str = "epsilon", seed: int = 0) -> Path:
    torch.manual_seed(seed)
    networks: dict[str, Any] = {
        "text_encoder": CLIPTextModel(text_config(32, eos_token_id=2)),
        "unet": unet_sd15(),
        "vae": vae(),
        "tokenizer": tokenizer(END),
    }
    return save_checkpoint(folder, "StableDiffusionPipeline", networks, prediction)


def save_checkpoint(folder: Path, pipeline: str, networks: dict[str, Any], prediction: str) -> Path:
    index: dict[str, Any] = {"_class_name": pipeline}
    for name, network in networks.items():
        if isinstance(network, torch.nn.Module):
            round_to_fp16(network)
        network.save_pretrained(folder / name)
        index[name] = [type(network).__module__.partition(".")[0], type(network).__name__]
    scheduler(prediction).save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder
