"""SDXL in torch: two text encoders; its UNet takes pooled text and the picture's size."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as conversions
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from contract.families import SDXL
from export.families.family import SingleFile, Source, Tensors, TorchFamily
from export.families.published import PUBLISHED
from export.families.stable_diffusion import UNET_AND_VAE, ask_unet, clip_source
from export.single_file_keys import OPEN_CLIP_PREFIX


def _conditions(given: Tensors) -> Mapping[str, Any]:
    return {"added_cond_kwargs": {"text_embeds": given["pooled"], "time_ids": given["time_ids"]}}


def _open_clip(network: Any, state: dict[str, torch.Tensor]) -> Tensors:
    found: Tensors = conversions.convert_open_clip_checkpoint(network, state, OPEN_CLIP_PREFIX)
    return found


FAMILY = TorchFamily(
    row=SDXL,
    networks={
        "text_encoder": CLIPTextModel,
        "text_encoder_2": CLIPTextModelWithProjection,
        "unet": UNet2DConditionModel,
        "vae": AutoencoderKL,
    },
    predict=ask_unet(_conditions),
    denoiser_config={"addition_embed_type": "text_time"},
    single_file=SingleFile(
        sources={
            "text_encoder": clip_source("conditioner.embedders.0.transformer."),
            "text_encoder_2": Source(OPEN_CLIP_PREFIX, _open_clip),
            **UNET_AND_VAE,
        },
        configs=PUBLISHED[SDXL.name],
    ),
)
