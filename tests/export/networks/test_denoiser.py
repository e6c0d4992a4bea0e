from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

from contract.schedules import Diffusion, ScaledLinearSchedule
from export.checkpoints.checkpoint import Checkpoint
from export.checkpoints.scheduler import read_diffusion
from export.graphs.storage import save_model
from export.graphs.weight_names import name_weights
from export.networks.denoiser import parametrisation_of
from export.networks.networks import network_of, networks_of
from export.networks.trace import example_inputs, trace, weights_of
from tests.export.session import largest_error, run
from tests.export.tiny import BETAS, scheduler, tokenizer

# diffusers' scheduler turns torch tensors into numpy arrays in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Inputs = Mapping[str, torch.Tensor]
MakeDenoiser = Callable[[str], tuple[Path, Checkpoint]]


@pytest.fixture(scope="module")
def denoiser_of(tiny: Checkpoint, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeDenoiser:
    """The tiny UNet exported for another kind of prediction."""
    made: dict[str, tuple[Path, Checkpoint]] = {"flow": (repository / "eros-denoiser", tiny)}

    def make(prediction: str) -> tuple[Path, Checkpoint]:
        if prediction not in made:
            folder = tmp_path_factory.mktemp(prediction)
            scheduler(prediction).save_pretrained(folder)
            checkpoint = replace(tiny, diffusion=read_diffusion(folder / "scheduler_config.json"))
            network = list(networks_of(checkpoint))[1]
            model = trace(network.module, network.part)
            save_model(model, folder / "1", name_weights(model, weights_of(network.module), set()))
            made[prediction] = (folder, checkpoint)
        return made[prediction]

    return make


def some_inputs(
    checkpoint: Checkpoint, batch: int, height: int, width: int, tokens: int
) -> dict[str, torch.Tensor]:
    part = list(networks_of(checkpoint))[1].part
    sizes = {"batch": batch, "height": height, "width": width, "tokens": tokens}
    inputs = example_inputs(part, sizes)
    inputs["guidance"] *= 5
    if checkpoint.diffusion.prediction != "flow":
        inputs["sigma"] *= 14
    return inputs


@pytest.mark.parametrize("prediction", ["flow", "epsilon", "v"])
def test_step_is_torchs_at_every_size(denoiser_of: MakeDenoiser, prediction: str) -> None:
    folder, checkpoint = denoiser_of(prediction)
    network = network_of(checkpoint, "denoiser").module
    for batch, height, width, tokens in ((1, 8, 8, 77), (3, 7, 10, 154), (2, 24, 42, 77)):
        inputs = some_inputs(checkpoint, batch, height, width, tokens)
        with torch.no_grad():
            wanted = network(**inputs)
        assert largest_error(run(folder, inputs)[0], wanted) < 1e-4


@pytest.mark.parametrize("prediction", ["flow", "epsilon"])
def test_sample_alone_is_the_same_sample_in_a_batch(denoiser_of: MakeDenoiser, prediction: str) -> None:
    folder, checkpoint = denoiser_of(prediction)
    inputs = some_inputs(checkpoint, 4, 6, 10, 77)
    together = run(folder, inputs)[0]
    for number in range(4):
        alone = run(folder, {name: value[number : number + 1] for name, value in inputs.items()})[0]
        np.testing.assert_allclose(alone[0], together[number], atol=1e-6, rtol=0)


def test_guidance_of_one_is_the_prompt_alone(denoiser_of: MakeDenoiser) -> None:
    folder, checkpoint = denoiser_of("flow")
    inputs = some_inputs(checkpoint, 1, 6, 10, 77)
    inputs["guidance"] = torch.ones(1, 1)
    other = {**inputs, "negative_embeddings": torch.zeros_like(inputs["negative_embeddings"])}
    np.testing.assert_allclose(run(folder, inputs)[0], run(folder, other)[0], atol=1e-5)


def euler(folder: Path, sigmas: torch.Tensor, inputs: Inputs) -> torch.Tensor:
    """As text_to_image loops."""
    latents = inputs["latents"]
    for sigma, sigma_next in pairwise(sigmas):
        step = {"latents": latents, "sigma": sigma.reshape(1, 1), "sigma_next": sigma_next.reshape(1, 1)}
        latents = torch.from_numpy(run(folder, {**inputs, **step})[0])
    return latents


def test_flow_loop_makes_what_diffusers_scheduler_makes(denoiser_of: MakeDenoiser) -> None:
    folder, checkpoint = denoiser_of("flow")
    inputs = some_inputs(checkpoint, 1, 6, 10, 77)
    inputs["latents"] = torch.randn(1, 4, 6, 10, generator=torch.Generator().manual_seed(1))
    theirs = scheduler("flow")
    theirs.set_timesteps(4)
    latents = inputs["latents"]
    for timestep in theirs.timesteps:
        both = [
            checkpoint.denoiser(
                latents,
                timestep,
                inputs[f"{side}embeddings"],
                added_cond_kwargs={"text_embeds": inputs[f"{side}pooled"], "time_ids": inputs["time_ids"]},
            ).sample
            for side in ("negative_", "")
        ]
        output = both[0] + inputs["guidance"] * (both[1] - both[0])
        latents = theirs.step(output, timestep, latents, return_dict=False)[0]
    found = euler(folder, theirs.sigmas, inputs)
    assert largest_error(found.numpy(), latents) < 1e-4


@pytest.mark.parametrize("prediction", ["epsilon", "v", "v, zero SNR"])
def test_loop_makes_the_latents_of_diffusers_pipeline(denoiser_of: MakeDenoiser, prediction: str) -> None:
    folder, checkpoint = denoiser_of(prediction)
    theirs = scheduler(prediction)
    pipeline = StableDiffusionXLPipeline(
        vae=checkpoint.vae,
        text_encoder=checkpoint.networks["text_encoder"],
        text_encoder_2=checkpoint.networks["text_encoder_2"],
        tokenizer=tokenizer("!"),
        tokenizer_2=tokenizer("!"),
        unet=checkpoint.denoiser,
        scheduler=theirs,
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    inputs = some_inputs(checkpoint, 1, 2, 3, 77)
    inputs["time_ids"] = torch.tensor([[64.0, 96, 0, 0, 64, 96]])
    inputs["guidance"] = torch.tensor([[3.0]])
    noise = torch.randn(1, 4, 2, 3, generator=torch.Generator().manual_seed(1))
    wanted = pipeline(
        prompt_embeds=inputs["embeddings"],
        negative_prompt_embeds=inputs["negative_embeddings"],
        pooled_prompt_embeds=inputs["pooled"],
        negative_pooled_prompt_embeds=inputs["negative_pooled"],
        height=64,
        width=96,
        num_inference_steps=4,
        guidance_scale=3.0,
        latents=noise,
        output_type="latent",
    ).images
    inputs["latents"] = noise * theirs.init_noise_sigma
    found = euler(folder, theirs.sigmas, inputs)
    # The network amplifies rounding; sigmas start at 14.
    assert largest_error(found.numpy(), wanted) < 2e-3


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_timestep_of_a_sigma_is_the_schedulers(spacing: str) -> None:
    theirs = EulerDiscreteScheduler(**{**BETAS, "timestep_spacing": spacing})
    theirs.set_timesteps(30)
    schedule = ScaledLinearSchedule(0.00085, 0.012, 1000, spacing, steps_offset=1)
    ours = parametrisation_of(Diffusion("epsilon", schedule))
    found = ours.timestep(theirs.sigmas[:-1])
    # At fractions of a timestep diffusers interpolates sigma itself, not its logarithm.
    assert float((found - theirs.timesteps).abs().max()) < (0.02 if spacing == "linspace" else 2e-3)
