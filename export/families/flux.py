"""FLUX.1 in torch: CLIP's text as a whole, T5's tokens, and a transformer that knows the guidance."""

from typing import Any

import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel
from transformers import CLIPTextModel, T5EncoderModel

from contract.families import GUIDED, Family
from export.families.black_forest import transformer_source
from export.families.family import SingleFile, Source, Tensors, TorchFamily
from export.families.flux_transformer import PATCH, flux_velocity, prepare_flux
from export.families.published import PUBLISHED
from export.families.sd3 import t5
from export.families.stable_diffusion import UNET_AND_VAE, clip_source
from export.single_file_keys import CLIP_L_PREFIX, T5_PREFIX, UNET_PREFIX


def _predict(transformer: Any, given: Tensors) -> torch.Tensor:
    return flux_velocity(
        transformer,
        given["latents"],
        given["timestep"] / 1000,
        given["embeddings"],
        given["pooled"],
        given.get("guidance"),
    )


def _channels(config: Any) -> set[int]:
    """Packed, two by two."""
    made = config.out_channels or config.in_channels
    return {channels // PATCH**2 for channels in (config.in_channels, made)}


def flux_family(row: Family) -> TorchFamily:
    return TorchFamily(
        row=row,
        networks={
            "text_encoder": CLIPTextModel,
            "text_encoder_2": T5EncoderModel,
            "transformer": FluxTransformer2DModel,
            "vae": AutoencoderKL,
        },
        predict=_predict,
        prepare=prepare_flux,
        denoiser_config={"patch_size": 1, GUIDED: row.guiding == "number"},
        text_width="joint_attention_dim",
        channels=_channels,
        single_file=SingleFile(
            sources={
                "text_encoder": clip_source(CLIP_L_PREFIX),
                "text_encoder_2": Source(T5_PREFIX, t5),
                "transformer": transformer_source(UNET_PREFIX),
                "vae": UNET_AND_VAE["vae"],
            },
            configs=PUBLISHED[row.name],
        ),
    )
