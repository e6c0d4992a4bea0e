"""Builds the parts of the demo model and writes them as a diffusers SDXL folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizerFast

from demo.training import tokenizer
from demo.training.config import SHIFT, TIME_EMBEDDING, TOKEN_WINDOW, VOCABULARY, Config
from demo.training.rounding import EXACT, EXACT_IN_DECODER, round_weights


@dataclass(frozen=True)
class Pipeline:
    tokenizer: CLIPTokenizerFast
    tokenizer_2: CLIPTokenizerFast
    text_encoder: CLIPTextModel
    text_encoder_2: CLIPTextModelWithProjection
    unet: UNet2DConditionModel

    def trained(self) -> nn.ModuleDict:
        """What the flow loss trains, as one module: both text encoders and the UNet."""
        return nn.ModuleDict({"te1": self.text_encoder, "te2": self.text_encoder_2, "unet": self.unet})


def build(config: Config, tokenizers: Path) -> Pipeline:
    """`tokenizers` holds the folders `tokenizer` and `tokenizer_2`."""
    first = tokenizer.load(tokenizers / "tokenizer")
    second = tokenizer.load(tokenizers / "tokenizer_2")
    return Pipeline(
        tokenizer=first,
        tokenizer_2=second,
        text_encoder=CLIPTextModel(_text(config, config.text_hidden[0], first, "quick_gelu")),
        text_encoder_2=CLIPTextModelWithProjection(_text(config, config.text_hidden[1], second, "gelu")),
        unet=_unet(config),
    )


def build_autoencoder(config: Config) -> AutoencoderKL:
    """Only its decoder is trained. Its encoder stays as initialised: training encodes with `codec.Codec`
    (a linear projection), and the server only decodes."""
    levels = len(config.decoder_channels)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=config.decoder_channels,
        layers_per_block=1,
        latent_channels=config.latent_channels,
        norm_num_groups=4,
        scaling_factor=1.0,
        force_upcast=False,
        mid_block_add_attention=False,
    )


def save(pipeline: Pipeline, autoencoder: AutoencoderKL, folder: Path) -> Path:
    """A half-precision StableDiffusionXLPipeline folder of rounded weights; written beside and renamed."""
    beside = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(beside, ignore_errors=True)
    pipeline.tokenizer.save_pretrained(beside / "tokenizer")
    pipeline.tokenizer_2.save_pretrained(beside / "tokenizer_2")
    scheduler = DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=SHIFT
    )
    scheduler.save_pretrained(beside / "scheduler")
    modules = {
        "text_encoder": pipeline.text_encoder,
        "text_encoder_2": pipeline.text_encoder_2,
        "unet": pipeline.unet,
        "vae": autoencoder,
    }
    for name, module in modules.items():
        copy = _half(module)
        round_weights(copy, EXACT_IN_DECODER if module is autoencoder else EXACT)
        copy.save_pretrained(beside / name, safe_serialization=True)
    (beside / "model_index.json").write_text(json.dumps(_index(), indent=2))
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
    return folder


def _half(module: nn.Module) -> nn.Module:
    """A copy in float16: the module in hand may be in training."""
    copy = (
        type(module)(module.config) if hasattr(module, "base_model_prefix") else type(module)(**module.config)
    )
    copy.load_state_dict(module.state_dict())
    return copy.to(torch.float16)


def _index() -> dict[str, object]:
    return {
        "_class_name": "StableDiffusionXLPipeline",
        "_diffusers_version": "0.39.0",
        "force_zeros_for_empty_prompt": False,
        "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def _text(config: Config, hidden: int, words: CLIPTokenizerFast, activation: str) -> CLIPTextConfig:
    """`eos_token_id` must be the tokenizer's: CLIP pools at the first such token."""
    return CLIPTextConfig(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        intermediate_size=4 * hidden,
        projection_dim=config.text_hidden[1],
        num_hidden_layers=config.text_layers,
        num_attention_heads=hidden // 32,
        max_position_embeddings=TOKEN_WINDOW,
        hidden_act=activation,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )


def _unet(config: Config) -> UNet2DConditionModel:
    """Three levels: the third is so small that padding tells each of its cells where it is. Without that,
    nothing in the network knows up from down."""
    kinds = ["CrossAttn" if attends else "" for attends in config.unet_attention]
    return UNet2DConditionModel(
        sample_size=32,
        in_channels=config.latent_channels,
        out_channels=config.latent_channels,
        block_out_channels=config.unet_channels,
        layers_per_block=config.unet_layers,
        down_block_types=tuple(f"{kind}DownBlock2D" for kind in kinds),
        up_block_types=tuple(f"{kind}UpBlock2D" for kind in reversed(kinds)),
        cross_attention_dim=config.cross_attention,
        attention_head_dim=config.unet_heads,
        transformer_layers_per_block=1,
        use_linear_projection=True,
        norm_num_groups=16,
        resnet_time_scale_shift=config.time_scale_shift,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_EMBEDDING,
        projection_class_embeddings_input_dim=6 * TIME_EMBEDDING + config.text_hidden[1],
    )
