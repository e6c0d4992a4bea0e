"""SD 1.5 in torch: one text encoder, and nothing but its embeddings for the UNet."""

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel

from contract.families import SD15
from export.families.family import SingleFile, TorchFamily
from export.families.published import PUBLISHED
from export.families.stable_diffusion import UNET_AND_VAE, ask_unet, clip_source
from export.single_file_keys import CLIP_PREFIX

FAMILY = TorchFamily(
    row=SD15,
    networks={"text_encoder": CLIPTextModel, "unet": UNet2DConditionModel, "vae": AutoencoderKL},
    predict=ask_unet(lambda given: {}),
    denoiser_config={"addition_embed_type": None},
    single_file=SingleFile(
        sources={"text_encoder": clip_source(CLIP_PREFIX), **UNET_AND_VAE},
        configs=PUBLISHED[SD15.name],
    ),
)
