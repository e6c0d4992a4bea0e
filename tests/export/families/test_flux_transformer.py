import copy

import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel

from export.families.flux_transformer import FluxPlaces, flux_velocity, prepare_flux
from tests.export.tiny_flux import CHANNELS, POOLED, WIDTH, transformer


def inputs(batch: int, height: int, width: int, tokens: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(height)
    return {
        "latents": torch.randn(batch, CHANNELS, height, width, generator=generator),
        "sigma": torch.rand(batch, generator=generator),
        "embeddings": torch.randn(batch, tokens, WIDTH, generator=generator),
        "pooled": torch.randn(batch, POOLED, generator=generator),
    }


def diffusers_velocity(
    network: FluxTransformer2DModel, given: dict[str, torch.Tensor], guidance: torch.Tensor | None
) -> torch.Tensor:
    """As FluxPipeline packs, counts places and unpacks."""
    batch, channels, height, width = given["latents"].shape
    places = FluxPipeline._prepare_latent_image_ids(batch, height // 2, width // 2, "cpu", torch.float32)
    made = network(
        hidden_states=FluxPipeline._pack_latents(given["latents"], batch, channels, height, width),
        timestep=given["sigma"],
        guidance=guidance,
        pooled_projections=given["pooled"],
        encoder_hidden_states=given["embeddings"],
        txt_ids=torch.zeros(given["embeddings"].shape[1], 3),
        img_ids=places,
    ).sample
    found: torch.Tensor = FluxPipeline._unpack_latents(made, 8 * height, 8 * width, 8)
    return found


@pytest.mark.parametrize("guided", [True, False], ids=["dev", "schnell"])
def test_velocity_is_diffusers_at_every_size(guided: bool) -> None:
    theirs = transformer(guidance=guided)
    ours = prepare_flux(copy.deepcopy(theirs))
    for batch, height, width, tokens in ((1, 8, 8, 256), (3, 6, 10, 512), (2, 24, 42, 7)):
        given = inputs(batch, height, width, tokens)
        guidance = torch.linspace(1, 30, batch) if guided else None
        wanted = diffusers_velocity(theirs, given, guidance)
        found = flux_velocity(ours, **given, guidance=guidance)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


def test_guidance_is_each_samples_own() -> None:
    network = prepare_flux(transformer(guidance=True))
    given = inputs(1, 4, 6, 20)
    both = {name: value.expand(2, *value.shape[1:]) for name, value in given.items()}
    mixed = flux_velocity(network, **both, guidance=torch.tensor([1.0, 30.0]))
    assert (mixed[0] - mixed[1]).abs().max() > 1e-3
    for number, guidance in enumerate((1.0, 30.0)):
        alone = flux_velocity(network, **given, guidance=torch.tensor([guidance]))
        torch.testing.assert_close(alone[0], mixed[number], rtol=0, atol=1e-6)


def test_places_of_the_largest_pictures_are_turned_as_in_diffusers() -> None:
    """4096 pixels a side, at the published widths."""
    network = FluxTransformer2DModel(num_layers=0, num_single_layers=0)
    places = torch.stack([torch.zeros(256), torch.arange(256.0), torch.arange(256.0).flip(0)], dim=1)
    wanted = network.pos_embed(places)
    found = FluxPlaces(10_000, (16, 56, 56))(places)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one[:, 0].repeat_interleave(2, dim=1), other, rtol=0, atol=3e-5)
