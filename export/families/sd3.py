"""SD 3.5 in torch: two CLIPs and T5; a transformer reads text and picture as one sequence (MMDiT)."""

from typing import Any

import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel
from diffusers.loaders import single_file_utils as conversions
from transformers import CLIPTextModelWithProjection, T5EncoderModel

from contract.families import SD3
from export.families.family import SingleFile, Source, Tensors, TorchFamily
from export.families.published import PUBLISHED
from export.families.stable_diffusion import UNET_AND_VAE, clip_source
from export.single_file_keys import CLIP_G_PREFIX, CLIP_L_PREFIX, T5_PREFIX, UNET_PREFIX


def _predict(network: Any, given: Tensors) -> torch.Tensor:
    found: torch.Tensor = network(
        hidden_states=given["latents"],
        encoder_hidden_states=given["embeddings"],
        pooled_projections=given["pooled"],
        timestep=given["timestep"],
        return_dict=False,
    )[0]
    return found


def _transformer(_: Any, state: dict[str, torch.Tensor]) -> Tensors:
    found: Tensors = conversions.convert_sd3_transformer_checkpoint_to_diffusers(dict(state))
    return found


_CLIP_L = clip_source(CLIP_L_PREFIX)


def _clip_l(network: Any, state: dict[str, torch.Tensor]) -> Tensors:
    """Its files have no projection; it was published with one that changes nothing."""
    found = _CLIP_L.convert(network, state)
    kind = next(iter(found.values())).dtype
    return {"text_projection.weight": torch.eye(network.config.projection_dim, dtype=kind), **found}


def t5(_: Any, state: dict[str, torch.Tensor]) -> Tensors:
    """Some files call the embeddings by the one of their two names, some by the other."""
    found = {key.removeprefix(T5_PREFIX): value for key, value in state.items()}
    embeddings = found.get("shared.weight", found.get("encoder.embed_tokens.weight"))
    return found if embeddings is None else {**found, "shared.weight": embeddings}


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
    single_file=SingleFile(
        sources={
            "text_encoder": Source(CLIP_L_PREFIX, _clip_l),
            "text_encoder_2": clip_source(CLIP_G_PREFIX),
            "text_encoder_3": Source(T5_PREFIX, t5),
            "transformer": Source(UNET_PREFIX, _transformer),
            "vae": UNET_AND_VAE["vae"],
        },
        configs=PUBLISHED[SD3.name],
    ),
)
