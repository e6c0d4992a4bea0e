"""Z-Image in torch: a language model as text encoder, and a transformer of one stream of tokens."""

from typing import Any

import torch
from diffusers import AutoencoderKL, ZImageTransformer2DModel
from transformers import Qwen3Model

from contract.families import Z_IMAGE, Family
from export.families.family import Tensors, TorchFamily
from export.networks.z_image import PATCH, prepare_z_image, z_image_velocity


def _predict(network: Any, given: Tensors) -> torch.Tensor:
    return z_image_velocity(network, given["latents"], given["timestep"], given["embeddings"], given["mask"])


def z_image_family(row: Family) -> TorchFamily:
    return TorchFamily(
        row=row,
        networks={
            "text_encoder": Qwen3Model,
            "transformer": ZImageTransformer2DModel,
            "vae": AutoencoderKL,
        },
        predict=_predict,
        prepare=prepare_z_image,
        denoiser_config={"all_patch_size": [PATCH], "all_f_patch_size": [1], "siglip_feat_dim": None},
        text_width="cap_feat_dim",
        channels=lambda config: {config.in_channels},
    )


FAMILY = z_image_family(Z_IMAGE)
