"""Z-Image's transformer as it is traced, beside diffusers' own."""

from typing import Any

import pytest
import torch
from diffusers import ZImageTransformer2DModel
from torch import Tensor

from export.networks.z_image import ZImage

CHANNELS, WIDTH = 16, 24


def transformer(seed: int = 0, **more: Any) -> ZImageTransformer2DModel:
    torch.manual_seed(seed)
    network = ZImageTransformer2DModel(
        in_channels=CHANNELS,
        dim=48,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=WIDTH,
        axes_dims=[8, 8, 8],
        axes_lens=[256, 64, 64],
        **more,
    )
    for weight in network.parameters():  # the pad tokens are made as zeros
        weight.data = torch.randn_like(weight) * 0.2
    return network.eval().requires_grad_(False)


def ask_diffusers(latents: Tensor, sigma: Tensor, prompts: list[Tensor]) -> Tensor:
    """As ZImagePipeline does."""
    made = transformer()(list(latents.unsqueeze(2).unbind(0)), 1 - sigma, prompts, return_dict=False)[0]
    return -torch.stack(made).squeeze(2)


def padded(prompts: list[Tensor], length: int) -> tuple[Tensor, Tensor]:
    rows = torch.full((len(prompts), length, WIDTH), 7.0)  # what no prompt's own must not matter
    for row, prompt in zip(rows, prompts, strict=True):
        row[: len(prompt)] = prompt
    return rows, torch.tensor([len(prompt) for prompt in prompts])


@pytest.mark.parametrize("size", [(8, 16), (6, 10), (2, 2), (16, 8)], ids=str)
@pytest.mark.parametrize("lengths", [[5], [32], [3, 64], [33, 7, 40]], ids=str)
def test_network_makes_what_diffusers_makes(size: tuple[int, int], lengths: list[int]) -> None:
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(len(lengths), CHANNELS, *size, generator=generator)
    sigma = torch.rand(len(lengths), generator=generator)
    prompts = [torch.randn(length, WIDTH, generator=generator) for length in lengths]
    made = ZImage(transformer())(latents, sigma, *padded(prompts, 70))
    torch.testing.assert_close(made, ask_diffusers(latents, sigma, prompts), rtol=1e-4, atol=1e-5)


def test_length_of_the_padding_does_not_matter() -> None:
    latents, sigma = torch.randn(1, CHANNELS, 6, 8), torch.tensor([0.4])
    prompts = [torch.randn(5, WIDTH)]
    network = ZImage(transformer())
    short, long = (network(latents, sigma, *padded(prompts, length)) for length in (5, 128))
    torch.testing.assert_close(short, long, rtol=1e-4, atol=1e-5)
