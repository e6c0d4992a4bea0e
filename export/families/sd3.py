"""SD 3.5 in torch: two CLIPs and T5, and a transformer that reads text and picture as one sequence (MMDiT)."""

from typing import Any

import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel
from transformers import CLIPTextModelWithProjection, T5EncoderModel

from contract.families import SD3
from export.families.family import Tensors, TorchFamily


def _predict(network: Any, given: Tensors) -> torch.Tensor:
    found: torch.Tensor = network(
        hidden_states=given["latents"],
        encoder_hidden_states=given["embeddings"],
        pooled_projections=given["pooled"],
        timestep=given["timestep"],
        return_dict=False,
    )[0]
    return found


FAMILY = TorchFamily(
    row=SD3,
    networks={
        "text_encoder": CLIPTextModelWithProjection,
        "text_encoder_2": CLIPTextModelWithProjection,
        "text_encoder_3": T5EncoderModel,
        "transformer": SD3Transformer2DModel,
        "vae": AutoencoderKL,
    },
    predict=_predict,
    denoiser_config={"patch_size": SD3.patch},
    text_width="joint_attention_dim",
)
