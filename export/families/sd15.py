"""SD 1.5 in torch: one text encoder, and nothing but its embeddings for the UNet."""

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel

from contract.families import SD15
from export.families.family import SingleFile, TorchFamily
from export.families.stable_diffusion import CLIP_L, UNET_AND_VAE, VAE, clip_source

CLIP_PREFIX = "cond_stage_model.transformer."

FAMILY = TorchFamily(
    row=SD15,
    networks={"text_encoder": CLIPTextModel, "unet": UNet2DConditionModel, "vae": AutoencoderKL},
    unet_config={"addition_embed_type": None},
    conditions=lambda given: {},
    single_file=SingleFile(
        marker=CLIP_PREFIX,
        sources={"text_encoder": clip_source(CLIP_PREFIX), **UNET_AND_VAE},
        configs={
            "text_encoder": CLIP_L,
            "unet": {
                "in_channels": SD15.latent_channels,
                "out_channels": SD15.latent_channels,
                "sample_size": 64,
                "block_out_channels": [320, 640, 1280, 1280],
                "layers_per_block": 2,
                "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
                "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
                "attention_head_dim": 8,
                "cross_attention_dim": 768,
            },
            "vae": {**VAE, "sample_size": 512, "scaling_factor": 0.18215},
        },
    ),
)
