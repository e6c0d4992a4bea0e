"""Rectified flow: the loss that trains the model, and a sampler in Euler steps for previews and the decoder.

The server goes through the same noise levels by DPM++ 2M, which draws crisper edges in as many steps.

x_sigma = (1 - sigma) * x0 + sigma * noise; the UNet predicts noise - x0 at timestep 1000 * sigma.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from transformers import CLIPTokenizerFast

from demo.training.batches import Batch
from demo.training.config import DOWNSCALE, GUIDANCE, SHIFT, TOKEN_WINDOW
from demo.training.pipeline import Pipeline
from demo.training.precision import mixed

Text = tuple[torch.Tensor, torch.Tensor]
"""Embeddings [B, 77, D] and pooled [B, P]."""


def shifted(u: torch.Tensor) -> torch.Tensor:
    return SHIFT * u / (1 + (SHIFT - 1) * u)


def encode_text(pipeline: Pipeline, captions: Sequence[str]) -> Text:
    """Penultimate hidden states of both encoders side by side, and the second's projected pooled output."""
    first = pipeline.text_encoder(tokens(pipeline.tokenizer, captions), output_hidden_states=True)
    second = pipeline.text_encoder_2(tokens(pipeline.tokenizer_2, captions), output_hidden_states=True)
    return torch.cat((first.hidden_states[-2], second.hidden_states[-2]), -1), second.text_embeds


def tokens(words: CLIPTokenizerFast, captions: Sequence[str]) -> torch.Tensor:
    batch = words(list(captions), padding="max_length", max_length=TOKEN_WINDOW, truncation=True)
    return torch.tensor(batch.input_ids)


def time_ids(size: tuple[int, int], count: int) -> torch.Tensor:
    """[count, 6]: original height and width, crop from the top left, target height and width."""
    width, height = size
    return torch.tensor([[height, width, 0, 0, height, width]], dtype=torch.float32).expand(count, 6)


def velocity(
    pipeline: Pipeline, latents: torch.Tensor, sigma: torch.Tensor, text: Text, size: tuple[int, int]
) -> torch.Tensor:
    added = {"text_embeds": text[1], "time_ids": time_ids(size, len(latents))}
    return pipeline.unet(latents, sigma * 1000, text[0], added_cond_kwargs=added).sample.float()


def loss(pipeline: Pipeline, batch: Batch, weights: torch.Tensor) -> torch.Tensor:
    """Squared error of the velocity; `weights` [channels] of its channels, mean 1."""
    seen = disturbed(batch)
    with mixed():
        predicted = velocity(
            pipeline, seen.noisy, seen.sigma, encode_text(pipeline, batch.captions), batch.size
        )
    return error(predicted, seen.wanted, weights)


@dataclass(frozen=True)
class Disturbed:
    """A batch's latents at noise levels of their own."""

    noisy: torch.Tensor
    sigma: torch.Tensor
    wanted: torch.Tensor
    """The velocity."""


def disturbed(batch: Batch) -> Disturbed:
    noise = torch.randn(batch.clean.shape, generator=batch.random)
    sigma = shifted(torch.rand(len(batch.clean), generator=batch.random))
    share = sigma[:, None, None, None]
    return Disturbed((1 - share) * batch.clean + share * noise, sigma, noise - batch.clean)


def error(found: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return ((found - wanted).square() * weights[:, None, None]).mean()


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def sample(
    pipeline: Pipeline,
    captions: Sequence[str],
    size: tuple[int, int],
    steps: int = 8,
    guidance: float = GUIDANCE,
    seed: int = 0,
) -> torch.Tensor:
    """Latents [B, channels, height/32, width/32] after Euler steps from pure noise."""
    shape = (len(captions), pipeline.unet.config.in_channels, size[1] // DOWNSCALE, size[0] // DOWNSCALE)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return _denoise(pipeline, noise, captions, size, shifted(torch.linspace(1, 0, steps + 1)), guidance)


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def redraw(
    pipeline: Pipeline,
    clean: torch.Tensor,
    caption: str,
    size: tuple[int, int],
    left: int,
    generator: torch.Generator,
    steps: int = 10,
    guidance: float = GUIDANCE,
) -> torch.Tensor:
    """What the model makes of a picture's latents [channels, height/32, width/32] under noise, in the `left`
    last of `steps` steps. What is where is decided by then; how it looks in detail is the model's."""
    sigmas = shifted(torch.linspace(1, 0, steps + 1))[-left - 1 :]
    noise = torch.randn(clean.shape, generator=generator)
    noisy = ((1 - sigmas[0]) * clean + sigmas[0] * noise)[None]
    return _denoise(pipeline, noisy, [caption], size, sigmas, guidance)[0]


def _denoise(
    pipeline: Pipeline,
    latents: torch.Tensor,
    captions: Sequence[str],
    size: tuple[int, int],
    sigmas: torch.Tensor,
    guidance: float,
) -> torch.Tensor:
    count = len(captions)
    text = encode_text(pipeline, [*captions, *[""] * count])
    for sigma, follower in pairwise(sigmas):
        both = velocity(pipeline, latents.repeat(2, 1, 1, 1), sigma.expand(2 * count), text, size)
        wanted, unwanted = both.chunk(2)
        latents = latents + (follower - sigma) * (unwanted + guidance * (wanted - unwanted))
    return latents
