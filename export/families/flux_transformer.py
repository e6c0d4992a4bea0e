"""FLUX.1's transformer from latents to latents: what its pipeline does around it is part of the graph."""

from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor, nn
from torch.nn import functional

PATCH = 2
"""Latents along one side of a token of the transformer."""


class FluxPlaces(nn.Module):
    """In place of diffusers' own, which computes in fp64: not every engine has that type.

    At 4096 pixels the largest angle is 256, which fp32 knows to 2e-5.
    """

    def __init__(self, theta: float, axes: tuple[int, ...]) -> None:
        super().__init__()
        for number, width in enumerate(axes):
            powers = torch.arange(0, width, 2, dtype=torch.float64) / width
            self.register_buffer(f"axis_{number}", (theta**-powers).float(), persistent=False)

    def forward(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """[tokens, axes] → cosines and sines [tokens, 1, half the width of a head]."""
        angles = [places[:, number, None] * axis for number, axis in enumerate(self.buffers())]
        turned = torch.cat(angles, dim=1)[:, None]
        return turned.cos(), turned.sin()


class FluxAttention:
    """In place of diffusers' own processor, in whose traced graph the sizes of one picture are fixed."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Tokens [B, N, D], and those of the text where a block keeps them apart: attended to together."""
        assert image_rotary_emb is not None
        query, key, value = (
            layer(hidden_states).unflatten(2, (attn.heads, -1)) for layer in (attn.to_q, attn.to_k, attn.to_v)
        )
        query, key, text = attn.norm_q(query), attn.norm_k(key), 0
        if encoder_hidden_states is not None:
            text = encoder_hidden_states.shape[1]
            of_text = [
                layer(encoder_hidden_states).unflatten(2, (attn.heads, -1))
                for layer in (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj)
            ]
            query = torch.cat([attn.norm_added_q(of_text[0]), query], dim=1)
            key = torch.cat([attn.norm_added_k(of_text[1]), key], dim=1)
            value = torch.cat([of_text[2], value], dim=1)
        seen = functional.scaled_dot_product_attention(
            *(
                rotated.transpose(1, 2)
                for rotated in (_turn(query, image_rotary_emb), _turn(key, image_rotary_emb))
            ),
            value.transpose(1, 2),
        )
        tokens = seen.transpose(1, 2).flatten(2)
        if encoder_hidden_states is None:
            return tokens
        return attn.to_out[0](tokens[:, text:]), attn.to_add_out(tokens[:, :text])


def _turn(tokens: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """[B, N, heads, D]: each pair of values as a point in the plane, turned about the origin; in fp32."""
    cosines, sines = rotary
    x, y = tokens.float().unflatten(3, (-1, 2)).unbind(4)
    turned = torch.stack([x * cosines - y * sines, y * cosines + x * sines], dim=4)
    return turned.flatten(3).to(tokens.dtype)


def prepare_flux(transformer: FluxTransformer2DModel) -> FluxTransformer2DModel:
    """Changed in place, once: what every engine can run, equal to within rounding."""
    if not isinstance(transformer.pos_embed, FluxPlaces):
        axes = tuple(transformer.config.axes_dims_rope)
        transformer.pos_embed = FluxPlaces(transformer.pos_embed.theta, axes)
        transformer.set_attn_processor(FluxAttention())
    return transformer


def flux_velocity(
    transformer: FluxTransformer2DModel,
    latents: Tensor,
    sigma: Tensor,
    embeddings: Tensor,
    pooled: Tensor,
    guidance: Tensor | None = None,
) -> Tensor:
    """Noise minus picture, as latents: [B, C, h, w] with even h and w.

    `sigma` [B], 0 to 1. `embeddings` [B, tokens, D] of T5, `pooled` [B, P] of CLIP. `guidance` [B], which is
    embedded and needs no second pass; None for networks that were not trained with it (schnell).
    """
    rows, columns = latents.shape[2] // PATCH, latents.shape[3] // PATCH
    tokens = latents.unflatten(3, (columns, PATCH)).unflatten(2, (rows, PATCH))  # [B, C, r, 2, c, 2]
    tokens = tokens.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
    made = transformer(
        hidden_states=tokens,
        encoder_hidden_states=embeddings,
        pooled_projections=pooled,
        timestep=sigma,  # the transformer counts in thousandths by itself
        img_ids=_image_places(rows, columns, latents.device),
        txt_ids=torch.zeros(embeddings.shape[1], 3, device=latents.device),
        guidance=guidance,
        return_dict=False,
    )[0]
    grid = made.unflatten(1, (rows, columns)).unflatten(3, (-1, PATCH, PATCH))  # [B, r, c, C, 2, 2]
    return grid.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def _image_places(rows: int, columns: int, device: torch.device) -> Tensor:
    """[rows · columns, 3]: 0, row, column. All of the text is at 0, 0, 0."""
    row = torch.arange(rows, device=device, dtype=torch.float32)[:, None].expand(rows, columns)
    column = torch.arange(columns, device=device, dtype=torch.float32)[None].expand(rows, columns)
    return torch.stack([torch.zeros_like(row), row, column], dim=2).flatten(0, 1)
