"""Noise levels of flow models are those of diffusers' scheduler, as its pipelines set it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux.pipeline_flux import calculate_shift

from contract.families import SD3, SDXL
from contract.schedules import FlowSchedule
from export.checkpoints.scheduler import read_diffusion, scheduler_config

BY_SIZE = {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
STEPS = (1, 4, 28, 50)


def read(config: Any, folder: Path, family: Any = None) -> FlowSchedule:
    path = folder / "scheduler_config.json"
    path.write_text(json.dumps(config))
    schedule = read_diffusion(path, family).schedule
    assert isinstance(schedule, FlowSchedule)
    return schedule


@pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")
@pytest.mark.parametrize("steps", STEPS)
def test_levels_that_a_pipeline_leaves_to_the_scheduler(steps: int, tmp_path: Path) -> None:
    theirs = FlowMatchEulerDiscreteScheduler(shift=3.0)
    theirs.set_timesteps(steps)
    schedule = read(dict(theirs.config) | {"_class_name": "FlowMatchEulerDiscreteScheduler"}, tmp_path, SD3)
    np.testing.assert_allclose(schedule.sigmas(steps), theirs.sigmas.numpy(), rtol=1e-5, atol=1e-7)
    assert schedule == SD3.diffusion.schedule


@pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("size", [(1024, 1024), (768, 1344), (256, 256), (2048, 2048)])
def test_shift_follows_from_the_size(steps: int, size: tuple[int, int], tmp_path: Path) -> None:
    theirs = FlowMatchEulerDiscreteScheduler(**BY_SIZE)
    height, width = size[0] // 8, size[1] // 8
    mu = calculate_shift((height // 2) * (width // 2), 256, 4096, 0.5, 1.15)
    theirs.set_timesteps(steps, sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)
    schedule = read(dict(theirs.config) | {"_class_name": "FlowMatchEulerDiscreteScheduler"}, tmp_path, SDXL)
    found = schedule.of_size(height, width).sigmas(steps)
    np.testing.assert_allclose(found, theirs.sigmas.numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("family", [SDXL, SD3])
def test_what_is_written_is_read_again(family: Any, tmp_path: Path) -> None:
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", **BY_SIZE, "max_image_seq_len": 8192}
    diffusion = read_diffusion(written(config, tmp_path), family)
    assert read_diffusion(written(scheduler_config(diffusion), tmp_path), family) == diffusion


def written(config: Any, folder: Path) -> Path:
    path = folder / "scheduler_config.json"
    path.write_text(json.dumps(config))
    return path


def test_shift_that_is_not_exponential_is_refused(tmp_path: Path) -> None:
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", **BY_SIZE, "time_shift_type": "linear"}
    with pytest.raises(Exception, match="time_shift_type 'linear' is not supported"):
        read_diffusion(written(config, tmp_path))
