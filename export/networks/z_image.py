"""Z-Image's transformer as a network that can be traced: a batch of one size, prompts padded to one length.

diffusers' forward takes lists of samples, and turns queries and keys by complex numbers. This one runs the
same blocks, so it has their weights under their names, on padded and masked batches, and turns by cosines and
sines. Equal to diffusers' within rounding: tests/export/networks/test_z_image.py.
"""

from typing import Any, cast

import torch
from diffusers import ZImageTransformer2DModel
from torch import Tensor, nn
from torch.nn import functional

PATCH = 2
MULTIPLE = 32
"""The model was trained with picture and prompt each filled up to a multiple of so many tokens, by tokens of
its own, which are attended to."""
KIND = f"{PATCH}-1"  # of the embedder and the last layer


class ZImage(nn.Module):
    """Noisy latents and a prompt → noise minus picture."""

    def __init__(self, transformer: ZImageTransformer2DModel) -> None:
        super().__init__()
        self.transformer = transformer
        for block in self._blocks:
            block.attention.set_processor(RealRotary())
        tables = [
            _turns(dim, length, transformer.rope_theta)
            for dim, length in zip(transformer.axes_dims, transformer.axes_lens, strict=True)
        ]
        for axis, table in enumerate(tables):
            self.register_buffer(f"turns_{axis}", table, persistent=False)

    @property
    def _blocks(self) -> list[Any]:
        network = self.transformer
        return [*network.noise_refiner, *network.context_refiner, *network.layers]

    def forward(self, latents: Tensor, sigma: Tensor, embeddings: Tensor, mask: Tensor) -> Tensor:
        """[B, C, h, w] with even sides, [B], [B, tokens, D], which of the tokens are the prompt's [B, tokens]
        → [B, C, h, w]. Latents and embeddings in the type of the weights."""
        network = self.transformer
        height, width = latents.shape[2] // PATCH, latents.shape[3] // PATCH
        time = network.t_embedder((1 - sigma) * network.t_scale).type_as(latents)
        places = torch.arange(mask.shape[1], device=mask.device)
        length = ((places + 1) * mask).amax(dim=1)
        filled = (length + MULTIPLE - 1) // MULTIPLE * MULTIPLE

        picture, picture_turns = self._picture(latents, filled)
        prompt, prompt_turns, real = self._prompt(embeddings, mask, filled)
        for block in network.noise_refiner:
            picture = block(picture, None, picture_turns, time)
        for block in network.context_refiner:
            prompt = block(prompt, real, prompt_turns)

        tokens = torch.cat([picture, prompt], dim=1)
        turns = torch.cat([picture_turns, prompt_turns], dim=1)
        seen = torch.cat([torch.ones_like(picture[:, :, 0], dtype=torch.bool), real], dim=1)
        for block in network.layers:
            tokens = block(tokens, seen, turns, time)
        made = network.all_final_layer[KIND](tokens[:, : height * width], c=time)
        return -_unpatched(made, height, width)

    def _picture(self, latents: Tensor, filled: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens row by row, then those that fill up, and how each is turned."""
        network = self.transformer
        batch, channels = latents.shape[:2]
        height, width = latents.shape[2] // PATCH, latents.shape[3] // PATCH
        patches = latents.reshape(batch, channels, height, PATCH, width, PATCH).permute(0, 2, 4, 3, 5, 1)
        tokens = network.all_x_embedder[KIND](patches.reshape(batch, height * width, -1))
        missing = -(height * width) % MULTIPLE
        rest = cast(Tensor, network.x_pad_token).expand(batch, missing, -1)

        frames = self.turns_0[filled + 1].unsqueeze(1)
        rows = self.turns_1[:height].unsqueeze(1).expand(-1, width, -1, -1).flatten(0, 1).unsqueeze(0)
        columns = self.turns_2[:width].unsqueeze(0).expand(height, -1, -1, -1).flatten(0, 1).unsqueeze(0)
        turns = torch.cat(
            [
                frames.expand(-1, height * width, -1, -1),
                rows.expand(batch, -1, -1, -1),
                columns.expand(batch, -1, -1, -1),
            ],
            dim=2,
        )
        still = torch.cat([self.turns_0[:1], self.turns_1[:1], self.turns_2[:1]], dim=1)
        filling = still.unsqueeze(0).expand(batch, missing, -1, -1)
        return torch.cat([tokens, rest], dim=1), torch.cat([turns, filling], dim=1)

    def _prompt(self, embeddings: Tensor, mask: Tensor, filled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens, how each is turned, and which of them there are: the others fill the batch's length."""
        network = self.transformer
        missing = -embeddings.shape[1] % MULTIPLE
        padded = functional.pad(embeddings, (0, 0, 0, missing))
        own = functional.pad(mask, (0, missing)).unsqueeze(2) > 0
        places = torch.arange(padded.shape[1], device=padded.device)
        tokens = torch.where(own, network.cap_embedder(padded), cast(Tensor, network.cap_pad_token))
        first = self.turns_0[1 : padded.shape[1] + 1]
        still = torch.cat([self.turns_1[:1], self.turns_2[:1]], dim=1)
        turns = torch.cat([first, still.expand(padded.shape[1], -1, -1)], dim=1)
        expanded = turns.unsqueeze(0).expand(padded.shape[0], -1, -1, -1)
        return tokens, expanded, places < filled.unsqueeze(1)


class RealRotary:
    """Attention's processor: as diffusers' own for these blocks, with cosines and sines [B, tokens, pairs, 2]
    in place of complex numbers."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        freqs_cis: Tensor | None = None,
    ) -> Tensor:
        assert freqs_cis is not None
        layers = attn.to_q, attn.to_k, attn.to_v
        query, key, value = (layer(hidden_states).unflatten(-1, (attn.heads, -1)) for layer in layers)
        if attn.norm_q is not None:
            query, key = attn.norm_q(query), attn.norm_k(key)
        mask = None if attention_mask is None else attention_mask[:, None, None, :]
        seen = functional.scaled_dot_product_attention(
            *(_turned(one, freqs_cis).transpose(1, 2) for one in (query, key)),
            value.transpose(1, 2),
            attn_mask=mask,
        )
        made: Tensor = attn.to_out[0](seen.transpose(1, 2).flatten(2))
        return made


def _turned(values: Tensor, turns: Tensor) -> Tensor:
    """[B, tokens, heads, D], each pair of neighbours by its angle, in fp32."""
    real, imaginary = values.float().unflatten(-1, (-1, 2)).unbind(-1)
    cosine, sine = turns.unsqueeze(2).unbind(-1)
    turned = torch.stack([real * cosine - imaginary * sine, real * sine + imaginary * cosine], dim=-1)
    return turned.flatten(3).type_as(values)


def _turns(dim: int, length: int, theta: float) -> Tensor:
    """Cosine and sine of each place along one axis and each pair, [length, dim / 2, 2]; angles in fp64, as in
    diffusers."""
    speeds = 1.0 / (theta ** (torch.arange(0, dim, 2, dtype=torch.float64, device="cpu") / dim))
    angles = torch.outer(torch.arange(length, dtype=torch.float64, device="cpu"), speeds).float()
    return torch.stack([angles.cos(), angles.sin()], dim=-1)


def _unpatched(tokens: Tensor, height: int, width: int) -> Tensor:
    shaped = tokens.reshape(tokens.shape[0], height, width, PATCH, PATCH, -1).permute(0, 5, 1, 3, 2, 4)
    return shaped.reshape(tokens.shape[0], -1, height * PATCH, width * PATCH)
