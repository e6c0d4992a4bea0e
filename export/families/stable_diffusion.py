"""What the families with a UNet have in common: how it is asked, how a single file's weights are named.

The renaming is diffusers' own.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from diffusers.loaders import single_file_utils as conversions

from export.families.family import FLAT, Source, Tensors
from export.single_file_keys import UNET_PREFIX, VAE_PREFIX


def ask_unet(conditions: Callable[[Tensors], Mapping[str, Any]]) -> Callable[[Any, Tensors], torch.Tensor]:
    """`conditions`: what it is asked → what the UNet is called with beside latents, timestep, embeddings."""

    def predict(unet: Any, given: Tensors) -> torch.Tensor:
        found: torch.Tensor = unet(
            given["latents"],
            given["timestep"],
            given["embeddings"],
            **conditions(given),
            return_dict=False,
        )[0]
        return found

    return predict


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
