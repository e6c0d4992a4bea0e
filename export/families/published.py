"""Configs of the families' networks as they were published, for single files, which hold weights only.

Source: the config files in diffusers' layout of Stable Diffusion 1.5, Stable Diffusion XL base 1.0, Stable
Diffusion 3.5 Medium, FLUX.1 dev and FLUX.1 schnell. Needs no torch: what an export takes is told before it is
imported.
"""

from collections.abc import Mapping
from typing import Any

from contract.families import FLUX_DEV, FLUX_SCHNELL, SD3, SD3_CLIP, SD15, SDXL, Z_IMAGE, Z_IMAGE_TURBO

Config = Mapping[str, Any]
CLIP: Config = {
    "vocab_size": 49408,
    "max_position_embeddings": 77,
    "bos_token_id": 0,
    "eos_token_id": 2,  # "the highest id of the window", in the words of transformers
    "pad_token_id": 1,
}
CLIP_L: Config = {
    **CLIP,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "hidden_act": "quick_gelu",
    "projection_dim": 768,
}
OPEN_CLIP_BIG_G: Config = {
    **CLIP,
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "hidden_act": "gelu",
    "projection_dim": 1280,
}
VAE: Config = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_num_groups": 32,
}
T5_XXL: Config = {
    "vocab_size": 32128,
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "layer_norm_epsilon": 1e-6,
    "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": False,
}
"""The encoder of version 1.1."""
_SD3: Mapping[str, Config] = {
    "text_encoder": CLIP_L,
    "text_encoder_2": OPEN_CLIP_BIG_G,
    "transformer": {
        "sample_size": 128,
        "patch_size": 2,
        "in_channels": SD3.latent_channels,
        "out_channels": SD3.latent_channels,
        "num_layers": 24,
        "attention_head_dim": 64,
        "num_attention_heads": 24,
        "joint_attention_dim": 4096,
        "caption_projection_dim": 1536,
        "pooled_projection_dim": 2048,
        "pos_embed_max_size": 384,
        "dual_attention_layers": [*range(13)],
        "qk_norm": "rms_norm",
    },
    "vae": {
        **VAE,
        "latent_channels": SD3.latent_channels,
        "sample_size": 1024,
        "scaling_factor": 1.5305,
        "shift_factor": 0.0609,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
        "force_upcast": True,
    },
}
_FLUX: Mapping[str, Config] = {
    "text_encoder": CLIP_L,
    "text_encoder_2": T5_XXL,
    "transformer": {
        "patch_size": 1,
        "in_channels": 4 * FLUX_DEV.latent_channels,
        "num_layers": 19,
        "num_single_layers": 38,
        "attention_head_dim": 128,
        "num_attention_heads": 24,
        "joint_attention_dim": 4096,
        "pooled_projection_dim": 768,
        "axes_dims_rope": [16, 56, 56],
    },
    "vae": {
        **VAE,
        "sample_size": 1024,
        "latent_channels": FLUX_DEV.latent_channels,
        "scaling_factor": 0.3611,
        "shift_factor": 0.1159,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
        "force_upcast": True,
    },
}
QWEN3_4B: Config = {
    "vocab_size": 151936,
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 40960,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "tie_word_embeddings": True,
}
_Z_IMAGE: Mapping[str, Config] = {
    "text_encoder": QWEN3_4B,
    "transformer": {
        "in_channels": Z_IMAGE.latent_channels,
        "all_patch_size": [Z_IMAGE.patch],
        "all_f_patch_size": [1],
        "dim": 3840,
        "n_layers": 30,
        "n_refiner_layers": 2,
        "n_heads": 30,
        "n_kv_heads": 30,
        "norm_eps": 1e-5,
        "qk_norm": True,
        "cap_feat_dim": 2560,
        "rope_theta": 256.0,
        "t_scale": 1000.0,
        "axes_dims": [32, 48, 48],
        "axes_lens": [1536, 512, 512],
    },
    "vae": _FLUX["vae"],
}
PUBLISHED: Mapping[str, Mapping[str, Config]] = {
    SDXL.name: {
        "text_encoder": CLIP_L,
        "text_encoder_2": OPEN_CLIP_BIG_G,
        "unet": {
            "in_channels": SDXL.latent_channels,
            "out_channels": SDXL.latent_channels,
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
    SD15.name: {
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
    SD3.name: {**_SD3, "text_encoder_3": T5_XXL},
    SD3_CLIP.name: _SD3,
    FLUX_DEV.name: {**_FLUX, "transformer": {**_FLUX["transformer"], "guidance_embeds": True}},
    FLUX_SCHNELL.name: {**_FLUX, "transformer": {**_FLUX["transformer"], "guidance_embeds": False}},
    **dict.fromkeys((Z_IMAGE.name, Z_IMAGE_TURBO.name), _Z_IMAGE),
}
"""By the family's name and the network's folder."""
