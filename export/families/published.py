"""The two kinds of checkpoint that can be exported, as they were published: networks, sizes, tokenizers.

A single .safetensors file says nothing of this, so it is built from these tables. Source: the config files in
diffusers' layout of Stable Diffusion 1.5 and Stable Diffusion XL base 1.0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
OPEN_CLIP_BIG_G: Mapping[str, Any] = {
    **CLIP,
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "hidden_act": "gelu",
    "projection_dim": 1280,
}
VAE: Mapping[str, Any] = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_num_groups": 32,
}
BETAS: Mapping[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "num_train_timesteps": 1000,
}


@dataclass(frozen=True, kw_only=True)
class Family:
    name: str
    pipeline: str  # diffusers' class
    configs: Mapping[str, Mapping[str, Any]]  # of the networks
    pads: Mapping[str, str]  # tokenizer → what fills its windows


SDXL = Family(
    name="SDXL",
    pipeline="StableDiffusionXLPipeline",
    configs={
        "text_encoder": CLIP_L,
        "text_encoder_2": OPEN_CLIP_BIG_G,
        "unet": {
            "in_channels": 4,
            "out_channels": 4,
            "sample_size": 128,
            "block_out_channels": [320, 640, 1280],
            "layers_per_block": 2,
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            "transformer_layers_per_block": [1, 2, 10],
            "attention_head_dim": [5, 10, 20],
            "cross_attention_dim": 2048,
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
        },
        "vae": {**VAE, "sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True},
    },
    pads={"tokenizer": "<|endoftext|>", "tokenizer_2": "!"},
)
SD15 = Family(
    name="SD 1.5",
    pipeline="StableDiffusionPipeline",
    configs={
        "text_encoder": CLIP_L,
        "unet": {
            "in_channels": 4,
            "out_channels": 4,
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
    pads={"tokenizer": "<|endoftext|>"},
)
FAMILIES = (SDXL, SD15)
