"""FLUX.1's networks at tiny size, with random weights."""

import torch
from diffusers import FluxTransformer2DModel

CHANNELS, POOLED, WIDTH = 16, 24, 32


def transformer(*, guidance: bool, seed: int = 0) -> FluxTransformer2DModel:
    torch.manual_seed(seed)
    network = FluxTransformer2DModel(
        in_channels=4 * CHANNELS,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=POOLED,
        guidance_embeds=guidance,
        axes_dims_rope=(4, 6, 6),
    )
    return network.eval().requires_grad_(False)
