"""Z-Image's transformer from latents to latents: what its pipeline does around it is part of the graph.

diffusers' forward takes lists of samples, and turns queries and keys by complex numbers. Here the same blocks
run on padded and masked batches, and turn by cosines and sines.
"""

from typing import Any, cast

import torch
from diffusers import ZImageTransformer2DModel
from torch import Tensor, nn
from torch.nn import functional

from export.families.qwen3 import attention_bias

PATCH = 2
"""Latents along one side of a token of the transformer."""
MULTIPLE = 32
"""The model was trained with picture and prompt each filled up to a multiple of so many tokens, by tokens of
its own, which are attended to."""
KIND = f"{PATCH}-1"  # of the embedder and the last layer


class ZImagePlaces(nn.Module):
    """In place of diffusers' own: cosine and sine of each place along an axis and each pair of values,
    [places, pairs, 2]; angles in fp64, as there."""

    first: Tensor  # of tokens in their order: those of the prompt from 1, all of the picture behind them
    row: Tensor
    column: Tensor

    def __init__(self, transformer: ZImageTransformer2DModel) -> None:
        super().__init__()
        sizes = zip(transformer.axes_dims, transformer.axes_lens, strict=True)
        for name, (width, length) in zip(("first", "row", "column"), sizes, strict=True):
            powers = torch.arange(0, width, 2, dtype=torch.float64) / width
            places = torch.arange(length, dtype=torch.float64)
            angles = torch.outer(places, transformer.rope_theta**-powers).float()
            table = torch.stack([angles.cos(), angles.sin()], dim=2)
            self.register_buffer(name, table, persistent=False)


class ZImageAttention:
    """In place of diffusers' own processor: `freqs_cis` are cosines and sines, [B, tokens, pairs, 2];
    `attention_mask` is added to the scores."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: None = None,
        attention_mask: Tensor | None = None,
        freqs_cis: Tensor | None = None,
    ) -> Tensor:
        assert freqs_cis is not None
        layers = attn.to_q, attn.to_k, attn.to_v
        query, key, value = (layer(hidden_states).unflatten(2, (attn.heads, -1)) for layer in layers)
        if attn.norm_q is not None:
            query, key = attn.norm_q(query), attn.norm_k(key)
        seen = functional.scaled_dot_product_attention(
            *(_turn(one, freqs_cis).transpose(1, 2) for one in (query, key)),
            value.transpose(1, 2),
            attn_mask=attention_mask,
        )
        made: Tensor = attn.to_out[0](seen.transpose(1, 2).flatten(2))
        return made


def _turn(tokens: Tensor, turns: Tensor) -> Tensor:
    """[B, tokens, heads, D]: each pair of values as a point, turned about the origin; in fp32."""
    x, y = tokens.float().unflatten(3, (-1, 2)).unbind(4)
    cosines, sines = turns.unsqueeze(2).unbind(4)
    return torch.stack([x * cosines - y * sines, x * sines + y * cosines], dim=4).flatten(3).to(tokens.dtype)


def prepare_z_image(transformer: ZImageTransformer2DModel) -> ZImageTransformer2DModel:
    """Changed in place: what every engine can run, equal to within rounding."""
    transformer.rope_embedder = ZImagePlaces(transformer)
    for block in (*transformer.noise_refiner, *transformer.context_refiner, *transformer.layers):
        block.attention.set_processor(ZImageAttention())
    return transformer


def z_image_velocity(
    transformer: ZImageTransformer2DModel, latents: Tensor, timestep: Tensor, embeddings: Tensor, mask: Tensor
) -> Tensor:
    """Noise minus picture, as latents: [B, C, h, w] with even h and w.

    `transformer` is prepared. `timestep` [B], 0 to 1000; `embeddings` [B, tokens, D] and `mask` [B, tokens],
    int64, 1 where they are the prompt's.
    """
    height, width = latents.shape[2] // PATCH, latents.shape[3] // PATCH
    time = transformer.t_embedder((1000 - timestep) / 1000 * transformer.t_scale).to(latents.dtype)
    own = mask > 0
    length = torch.where(own, torch.arange(mask.shape[1], device=mask.device) + 1, 0).amax(dim=1)
    # Not by a division: OpenVINO takes it together with the multiplication, as if there were no remainder.
    filled = length + -length % MULTIPLE

    picture, picture_turns = _picture(transformer, latents, filled)
    prompt, prompt_turns, real = _prompt(transformer, embeddings, own, filled)
    for block in transformer.noise_refiner:
        picture = block(picture, None, picture_turns, time)
    for block in transformer.context_refiner:
        prompt = block(prompt, attention_bias(real[:, None, None], latents.dtype), prompt_turns)

    tokens = torch.cat([picture, prompt], dim=1)
    turns = torch.cat([picture_turns, prompt_turns], dim=1)
    seen = torch.cat([torch.ones_like(picture[:, :, 0], dtype=torch.bool), real], dim=1)
    bias = attention_bias(seen[:, None, None], latents.dtype)
    for block in transformer.layers:
        tokens = block(tokens, bias, turns, time)
    made = transformer.all_final_layer[KIND](tokens[:, : height * width], c=time)
    grid = made.unflatten(1, (height, width)).unflatten(3, (PATCH, PATCH, -1))  # [B, r, c, 2, 2, C]
    return -grid.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)


def _picture(transformer: Any, latents: Tensor, filled: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens row by row, then those that fill up, and how each is turned. `filled`: tokens of the prompt."""
    places, batch = transformer.rope_embedder, latents.shape[0]
    height, width = latents.shape[2] // PATCH, latents.shape[3] // PATCH
    patches = latents.unflatten(3, (width, PATCH)).unflatten(2, (height, PATCH))  # [B, C, r, 2, c, 2]
    patches = patches.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
    tokens = transformer.all_x_embedder[KIND](patches)
    missing = -(height * width) % MULTIPLE
    filling = cast(Tensor, transformer.x_pad_token).expand(batch, missing, -1)

    first = places.first[filled + 1].unsqueeze(1).expand(-1, height * width, -1, -1)
    row = places.row[:height].unsqueeze(1).expand(-1, width, -1, -1).flatten(0, 1)
    column = places.column[:width].unsqueeze(0).expand(height, -1, -1, -1).flatten(0, 1)
    grid = torch.cat([row, column], dim=1).unsqueeze(0).expand(batch, -1, -1, -1)
    still = torch.cat([places.first[:1], places.row[:1], places.column[:1]], dim=1)
    turns = [torch.cat([first, grid], dim=2), still.unsqueeze(0).expand(batch, missing, -1, -1)]
    return torch.cat([tokens, filling], dim=1), torch.cat(turns, dim=1)


def _prompt(
    transformer: Any, embeddings: Tensor, own: Tensor, filled: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, how each is turned, and which of them there are: the others fill the batch's length."""
    places, missing = transformer.rope_embedder, -embeddings.shape[1] % MULTIPLE
    embedded = transformer.cap_embedder(functional.pad(embeddings, (0, 0, 0, missing)))
    all_own = functional.pad(own, (0, missing)).unsqueeze(2)
    tokens = torch.where(all_own, embedded, cast(Tensor, transformer.cap_pad_token))
    batch, length = tokens.shape[:2]
    still = torch.cat([places.row[:1], places.column[:1]], dim=1).expand(length, -1, -1)
    turns = torch.cat([places.first[1 : length + 1], still], dim=1).unsqueeze(0).expand(batch, -1, -1, -1)
    return tokens, turns, torch.arange(length, device=own.device) < filled.unsqueeze(1)
