from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux.pipeline_flux import calculate_shift

from contract.families import FLUX_DEV, FLUX_SCHNELL, Family
from contract.sizes import SIZES
from export.checkpoints.scheduler import read_diffusion
from export.families.family import torch_family
from export.families.published import PUBLISHED

DYNAMIC = {
    "use_dynamic_shifting": True,
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
    "base_shift": 0.5,
    "max_shift": 1.15,
}
SCHEDULERS = {"flux_dev": {"shift": 3.0, **DYNAMIC}, "flux_schnell": {"shift": 1.0}}
"""As published."""
ROWS = pytest.mark.parametrize("row", [FLUX_DEV, FLUX_SCHNELL], ids=lambda row: row.name)


@ROWS
@pytest.mark.parametrize("size", [*SIZES, (512, 512), (256, 256), (2048, 2048)], ids=str)
@pytest.mark.parametrize("steps", [1, 4, 28])
def test_noise_levels_are_diffusers(row: Family, size: tuple[int, int], steps: int, tmp_path: Path) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(**SCHEDULERS[row.name])
    scheduler.save_pretrained(tmp_path)
    width, height = (side // row.downscale for side in size)
    mu = calculate_shift((height // 2) * (width // 2))
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)
    for diffusion in (row.diffusion, read_diffusion(tmp_path / "scheduler_config.json", row)):
        found = diffusion.of_size(height, width).schedule.sigmas(steps)
        np.testing.assert_allclose(found, scheduler.sigmas.numpy(), rtol=1e-6, atol=1e-7)


def test_shift_of_a_megapixel_is_the_published_one() -> None:
    """1.15 at 4096 places, 0.5 at 256, as logarithms."""
    for side, shift in ((128, np.exp(1.15)), (32, np.exp(0.5))):
        schedule = FLUX_DEV.diffusion.of_size(side, side).schedule
        assert schedule.shift == pytest.approx(shift)  # type: ignore[union-attr]


VALUES = {
    "flux_dev": 11_901_408_320,
    "flux_schnell": 11_891_178_560,
    "text_encoder": 123_060_480,
    "text_encoder_2": 4_762_310_656,
    "vae": 83_819_683,
}
"""Of the published networks."""


@ROWS
def test_networks_of_the_published_configs_have_the_published_sizes(row: Family) -> None:
    """Without weights, on torch's meta device."""
    family = torch_family(row)
    for name, config in PUBLISHED[row.name].items():
        network = family.empty_network(name, config)
        found = sum(weight.numel() for weight in network.parameters())
        assert found == VALUES[row.name if name == row.denoiser else name], name
        assert next(network.parameters()).device == torch.device("meta")
    assert PUBLISHED[row.name].keys() == family.networks.keys()
