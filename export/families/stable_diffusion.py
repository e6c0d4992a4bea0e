"""What the families of Stable Diffusion have in common, as published: CLIP, the VAE, the single file.

Source: the config files in diffusers' layout of Stable Diffusion 1.5 and Stable Diffusion XL base 1.0; the
renaming of a single file's weights is diffusers' own.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from diffusers.loaders import single_file_utils as conversions

from export.families.family import FLAT, Source, Tensors
from export.single_file_keys import UNET_PREFIX, VAE_PREFIX

CLIP: Mapping[str, Any] = {
    "vocab_size": 49408,
    "max_position_embeddings": 77,
    "bos_token_id": 0,
    "eos_token_id": 2,  # "the highest id of the window", in the words of transformers
    "pad_token_id": 1,
}
CLIP_L: Mapping[str, Any] = {
    **CLIP,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "hidden_act": "quick_gelu",
    "projection_dim": 768,
}
VAE: Mapping[str, Any] = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_num_groups": 32,
}


def _unet(network: Any, state: dict[str, torch.Tensor]) -> Tensors:
    found: Tensors = conversions.convert_ldm_unet_checkpoint(state, network.config)
    return found


def _vae(network: Any, state: dict[str, torch.Tensor]) -> Tensors:
    if any(".up_blocks." in key for key in state):  # diffusers' names already, perhaps those before its 0.13
        return {OLD.sub(_attention, key.removeprefix(VAE_PREFIX)): value for key, value in state.items()}
    found: Tensors = conversions.convert_ldm_vae_checkpoint(state, network.config)
    return found


OLD = re.compile(r"(attentions\.0\.)(query|key|value|proj_attn)\.")


def _attention(match: re.Match[str]) -> str:
    names = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
    return f"{match[1]}{names[match[2]]}."


def clip_source(prefix: str) -> Source:
    def convert(_: Any, state: dict[str, torch.Tensor]) -> Tensors:
        found = conversions.convert_ldm_clip_checkpoint(state, prefix)
        return {FLAT.sub(r"text_model.\1", key): value for key, value in found.items()}

    return Source(prefix, convert)


UNET_AND_VAE: Mapping[str, Source] = {
    "unet": Source(UNET_PREFIX, _unet),
    "vae": Source(VAE_PREFIX, _vae),
}
