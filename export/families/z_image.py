"""Z-Image in torch: a language model as text encoder, and a transformer of one stream of tokens."""

from typing import Any

import torch
from diffusers import AutoencoderKL, ZImageTransformer2DModel
from diffusers.loaders import single_file_utils as conversions
from transformers import Qwen3Model

from contract.families import Z_IMAGE, Family
from export.families.family import SingleFile, Source, Tensors, TorchFamily
from export.families.published import PUBLISHED
from export.families.stable_diffusion import UNET_AND_VAE
from export.families.z_image_transformer import PATCH, prepare_z_image, z_image_velocity
from export.single_file_keys import QWEN_PREFIX, UNET_PREFIX


def _predict(network: Any, given: Tensors) -> torch.Tensor:
    return z_image_velocity(network, given["latents"], given["timestep"], given["embeddings"], given["mask"])


def _transformer(_: Any, state: dict[str, torch.Tensor]) -> Tensors:
    if any(".to_q." in key for key in state):  # diffusers' names already
        return {key.removeprefix(UNET_PREFIX): value for key, value in state.items()}
    found: Tensors = conversions.convert_z_image_transformer_checkpoint_to_diffusers(dict(state))
    return found


def _qwen(_: Any, state: dict[str, torch.Tensor]) -> Tensors:
    return {key.removeprefix(f"{QWEN_PREFIX}model."): value for key, value in state.items()}


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
        single_file=SingleFile(
            sources={
                "text_encoder": Source(QWEN_PREFIX, _qwen),
                "transformer": Source(UNET_PREFIX, _transformer),
                "vae": UNET_AND_VAE["vae"],
            },
            configs=PUBLISHED[row.name],
        ),
    )


FAMILY = z_image_family(Z_IMAGE)
