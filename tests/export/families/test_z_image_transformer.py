"""Z-Image's transformer as it is traced, beside diffusers' own."""

import pytest
import torch
from diffusers import ZImageTransformer2DModel
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from export.families.z_image_transformer import prepare_z_image, z_image_velocity
from tests.export.tiny_z_image import CHANNELS, TEXT_WIDTH, transformer

SIZES = pytest.mark.parametrize("size", [(8, 16), (6, 10), (2, 2), (16, 8)], ids=str)
"""Of latents: the tokens of some fill up their multiple, of others do not."""
LENGTHS = pytest.mark.parametrize("lengths", [[5], [32], [3, 64], [33, 7, 40]], ids=str)


def ask_diffusers(latents: Tensor, sigma: Tensor, prompts: list[Tensor]) -> Tensor:
    """As ZImagePipeline does."""
    time = (1000 - sigma * 1000) / 1000
    made = transformer()(list(latents.unsqueeze(2).unbind(0)), time, prompts, return_dict=False)[0]
    return -torch.stack(made).squeeze(2)


def velocity(
    network: ZImageTransformer2DModel, latents: Tensor, sigma: Tensor, text: tuple[Tensor, Tensor]
) -> Tensor:
    return z_image_velocity(prepare_z_image(network), latents, sigma * 1000, *text)


def padded(prompts: list[Tensor], length: int) -> tuple[Tensor, Tensor]:
    """Embeddings and mask."""
    rows = torch.full((len(prompts), length, TEXT_WIDTH), 7.0)  # what no prompt's own must not matter
    for row, prompt in zip(rows, prompts, strict=True):
        row[: len(prompt)] = prompt
    return rows, (torch.arange(length) < torch.tensor([[len(prompt)] for prompt in prompts])).long()


def some(size: tuple[int, int], lengths: list[int]) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Latents, sigmas and prompts."""
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(len(lengths), CHANNELS, *size, generator=generator)
    sigma = torch.rand(len(lengths), generator=generator)
    return latents, sigma, [torch.randn(length, TEXT_WIDTH, generator=generator) for length in lengths]


@SIZES
@LENGTHS
def test_network_makes_what_diffusers_makes(size: tuple[int, int], lengths: list[int]) -> None:
    latents, sigma, prompts = some(size, lengths)
    made = velocity(transformer(), latents, sigma, padded(prompts, 70))
    torch.testing.assert_close(made, ask_diffusers(latents, sigma, prompts), rtol=1e-4, atol=1e-5)


def test_length_of_the_padding_does_not_matter() -> None:
    latents, sigma, prompts = some((6, 8), [5])
    short, long = (velocity(transformer(), latents, sigma, padded(prompts, one)) for one in (5, 128))
    torch.testing.assert_close(short, long, rtol=1e-4, atol=1e-5)


def test_others_in_the_batch_do_not_matter() -> None:
    latents, sigma, prompts = some((8, 16), [33, 7, 40])
    network, given = transformer(), padded(prompts, 64)
    together = velocity(network, latents, sigma, given)
    for number in range(3):
        one = slice(number, number + 1)
        alone = velocity(network, latents[one], sigma[one], (given[0][one], given[1][one]))
        torch.testing.assert_close(together[one], alone, rtol=1e-4, atol=1e-5)


def test_network_computes_in_the_type_of_its_weights() -> None:
    latents, sigma, prompts = some((6, 8), [5])
    wanted = ask_diffusers(latents, sigma, prompts)
    embeddings, mask = padded(prompts, 32)
    network = transformer().bfloat16()
    made = velocity(network, latents.bfloat16(), sigma, (embeddings.bfloat16(), mask))
    assert made.dtype == torch.bfloat16
    assert (made.float() - wanted).abs().mean() < 0.05 * wanted.abs().mean()


def test_published_sizes_fit() -> None:
    """Without their weights, which are 12 GB in bfloat16."""
    with FakeTensorMode(), torch.no_grad():
        network = ZImageTransformer2DModel(axes_lens=[1536, 512, 512])
        latents, embeddings = torch.empty(2, CHANNELS, 128, 96), torch.empty(2, 512, 2560)
        text = embeddings, torch.ones(2, 512, dtype=torch.int64)
        made = velocity(network, latents, torch.rand(2), text)
        assert made.shape == latents.shape
        assert sum(weight.numel() for weight in network.parameters()) == 6_154_908_736
