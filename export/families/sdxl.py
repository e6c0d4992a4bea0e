"""SDXL in torch: two text encoders; its UNet takes pooled text and the picture's size."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as conversions
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from contract.families import SDXL
from export.families.family import SingleFile, Source, Tensors, TorchFamily
from export.families.stable_diffusion import CLIP, CLIP_L, UNET_AND_VAE, VAE, clip_source

BIG_G = "conditioner.embedders.1.model."
OPEN_CLIP_BIG_G: Mapping[str, Any] = {
    **CLIP,
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "hidden_act": "gelu",
    "projection_dim": 1280,
}
UNET: Mapping[str, Any] = {
    "in_channels": SDXL.latent_channels,
    "out_channels": SDXL.latent_channels,
    "sample_size": 128,
    "block_out_channels": [320, 640, 1280],
    "layers_per_block": 2,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


def _conditions(given: Tensors) -> Mapping[str, Any]:
    return {"added_cond_kwargs": {"text_embeds": given["pooled"], "time_ids": given["time_ids"]}}


def _open_clip(network: Any, state: dict[str, torch.Tensor]) -> Tensors:
    found: Tensors = conversions.convert_open_clip_checkpoint(network, state, BIG_G)
    return found


FAMILY = TorchFamily(
    row=SDXL,
    networks={
        "text_encoder": CLIPTextModel,
        "text_encoder_2": CLIPTextModelWithProjection,
        "unet": UNet2DConditionModel,
        "vae": AutoencoderKL,
    },
    unet_config={"addition_embed_type": "text_time"},
    conditions=_conditions,
    single_file=SingleFile(
        marker=BIG_G,
        sources={
            "text_encoder": clip_source("conditioner.embedders.0.transformer."),
            "text_encoder_2": Source(BIG_G, _open_clip),
            **UNET_AND_VAE,
        },
        configs={
            "text_encoder": CLIP_L,
            "text_encoder_2": OPEN_CLIP_BIG_G,
            "unet": UNET,
            "vae": {**VAE, "sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True},
        },
    ),
)
