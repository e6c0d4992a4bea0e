import inspect
import json
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
from diffusers import EulerDiscreteScheduler

from contract.families import SDXL as SDXL_FAMILY
from contract.samplers import Sampling
from contract.schedules import SPACINGS, Diffusion, FlowSchedule, ScaledLinearSchedule
from export.checkpoints.scheduler import (
    SAMPLER_OF,
    SPACING_OF,
    read_diffusion,
    read_scheduler,
    scheduler_config,
)
from export.errors import ExportError
from tests.export.tiny import BETAS

# diffusers' scheduler turns torch tensors into numpy arrays in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ZERO_SNR = ScaledLinearSchedule(0.00085, 0.012, 1000, "trailing", 1, zero_snr=True)
WRITTEN = [SDXL_FAMILY.diffusion, Diffusion("v", ZERO_SNR), Diffusion("flow", FlowSchedule(2.0))]
SDXL = {"_class_name": "EulerDiscreteScheduler", "prediction_type": "epsilon", **BETAS}
FLOW = "FlowMatchEulerDiscreteScheduler"


def written(folder: Path, options: Any) -> Path:
    path = folder / "scheduler_config.json"
    path.write_text(json.dumps(options))
    return path


@pytest.mark.parametrize("zero_snr", [False, True])
def test_sigma_table_is_diffusers_own(zero_snr: bool) -> None:
    ours = ScaledLinearSchedule(0.00085, 0.012, 1000, "leading", 1, zero_snr)
    kept = EulerDiscreteScheduler(**BETAS, rescale_betas_zero_snr=zero_snr).alphas_cumprod.double().numpy()
    np.testing.assert_allclose(
        np.exp(ours.log_sigmas()), np.sqrt((1 - kept) / kept), rtol=2e-4 if zero_snr else 2e-5
    )


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [2, 4, 8, 25, 30, 50])
def test_visited_levels_are_diffusers_own(steps: int, spacing: str, zero_snr: bool) -> None:
    ours = ScaledLinearSchedule(0.00085, 0.012, 1000, spacing, 1, zero_snr)
    theirs = EulerDiscreteScheduler(**{**BETAS, "timestep_spacing": spacing}, rescale_betas_zero_snr=zero_snr)
    theirs.set_timesteps(steps)
    found = ours.sigmas(steps)
    np.testing.assert_allclose(found, theirs.sigmas, rtol=3e-4 if zero_snr else 5e-5)
    assert ours.init_noise_sigma(found) == pytest.approx(float(theirs.init_noise_sigma), rel=3e-4)


def test_published_sdxl_schedule_is_read(tmp_path: Path) -> None:
    assert read_diffusion(written(tmp_path, SDXL)) == SDXL_FAMILY.diffusion


def test_flow_schedule_is_read(tmp_path: Path) -> None:
    options = {"_class_name": FLOW, "shift": 3.0}
    assert read_diffusion(written(tmp_path, options)) == Diffusion("flow", FlowSchedule(3.0))


@pytest.mark.parametrize("diffusion", WRITTEN)
def test_config_that_was_written_is_read_again(tmp_path: Path, diffusion: Diffusion) -> None:
    assert read_diffusion(written(tmp_path, scheduler_config(diffusion))) == diffusion


# Without scipy two of them are only names in diffusers.
HERE = [name for name in SPACING_OF if issubclass(getattr(diffusers, name), diffusers.SchedulerMixin)]


@pytest.mark.parametrize("name", HERE)
def test_sampler_has_diffusers_default_of_spacing(name: str) -> None:
    arguments = inspect.signature(getattr(diffusers, name).__init__.__wrapped__).parameters
    usual = arguments["timestep_spacing"].default if "timestep_spacing" in arguments else "linspace"
    assert SPACING_OF[name] == usual


@pytest.mark.parametrize("name", SPACING_OF)
def test_any_sampler_is_drawn_over_its_schedule_in_euler_steps_where_we_have_none_such(
    name: str, tmp_path: Path
) -> None:
    options = {**SDXL, "_class_name": name, "prediction_type": "v_prediction"}
    says = read_scheduler(written(tmp_path, options))
    assert (says.prediction, says.spacing, says.betas) == ("v", "leading", (0.00085, 0.012))
    assert says.sampling.sampler == SAMPLER_OF.get(name, "euler")
    told = f"the sampler {name}, in place of which Euler steps are taken"
    assert says.remark == (None if name in SAMPLER_OF else f"left out of the scheduler's config: {told}")


@pytest.mark.parametrize(
    ("changes", "sampling"),
    [
        ({"use_karras_sigmas": True}, Sampling("euler", "karras")),
        ({"_class_name": "DPMSolverMultistepScheduler"}, Sampling("dpmpp_2m")),
        (
            {"_class_name": "DPMSolverMultistepScheduler", "use_karras_sigmas": True, "solver_order": 2},
            Sampling("dpmpp_2m", "karras"),
        ),
        ({"_class_name": "HeunDiscreteScheduler", "use_beta_sigmas": True}, Sampling("euler", "beta")),
        ({"_class_name": "EulerAncestralDiscreteScheduler"}, Sampling("euler_ancestral")),
        ({"_class_name": "LCMScheduler"}, Sampling("lcm")),
        ({"_class_name": "FlowMatchLCMScheduler"}, Sampling("lcm")),
        ({"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3}, Sampling("euler")),
        ({"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"}, Sampling()),
    ],
)
def test_sampler_and_spacing_are_those_of_the_config(
    changes: dict[str, Any], sampling: Sampling, tmp_path: Path
) -> None:
    assert read_scheduler(written(tmp_path, {**SDXL, **changes})).sampling == sampling


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"use_exponential_sigmas": True, "use_beta_sigmas": True}, "use_beta_sigmas"),
        ({"use_karras_sigmas": True, "_class_name": "LCMScheduler"}, "use_karras_sigmas"),
        ({"use_lu_lambdas": True, "_class_name": "DPMSolverMultistepScheduler"}, "use_lu_lambdas"),
        ({"solver_order": 3, "_class_name": "DPMSolverMultistepScheduler"}, "solver_order '3'"),
        ({"timestep_spacing": "odd"}, "timestep_spacing 'odd'"),
        ({"steps_offset": 7}, "steps_offset 7"),
        ({"_class_name": FLOW, "shift_terminal": 0.1}, "shift_terminal"),
    ],
)
def test_option_of_the_sampler_alone_is_left_out_and_told(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    path = written(tmp_path, {**SDXL, **changes})
    assert told in str(read_scheduler(path).remark)
    read_diffusion(path)


@pytest.mark.parametrize("name", ["UniPCMultistepScheduler", "DPMSolverMultistepScheduler"])
def test_solver_of_flow_is_flow(name: str, tmp_path: Path) -> None:
    flow = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 5.0}
    path = written(tmp_path, {"_class_name": name, **flow})
    assert read_diffusion(path) == Diffusion("flow", FlowSchedule(5.0))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rescale_betas_zero_snr": True}, "zero terminal SNR goes with v prediction only"),
        ({"rescale_betas_zero_snr": "perhaps"}, "rescale_betas_zero_snr is perhaps"),
        ({"prediction_type": "sample"}, "prediction_type 'sample' is not epsilon or v_prediction"),
        ({"prediction_type": ["v"]}, r"prediction_type \"\['v'\]\" is not"),
        ({"beta_schedule": "linear"}, "'linear' is not scaled_linear"),
        ({"beta_schedule": None}, "'None' is not scaled_linear"),
        ({"beta_end": 2.0}, "expected to rise between 0 and 1"),
        ({"beta_start": None}, "beta_start is missing, expected a number"),
        ({"beta_start": "0.00085"}, "beta_start is 0.00085, expected a number"),
        ({"num_train_timesteps": 4000}, "4000 training steps"),
        ({"trained_betas": [0.1]}, "trained_betas is not supported"),
        (
            {"_class_name": "CMStochasticIterativeScheduler"},
            "Scheduler' is a consistency model's sampler, .*--prediction",
        ),
        ({"_class_name": "SomebodysScheduler"}, "'SomebodysScheduler' is not known; .*--prediction"),
        ({"_class_name": None}, "'None' is not known"),
        ({"_class_name": "EDMEulerScheduler"}, "EDMEulerScheduler is of an EDM model"),
        ({"_class_name": "EDMDPMSolverMultistepScheduler"}, "is of an EDM model"),
        ({"timestep_type": "continuous"}, "is of an EDM model"),
        ({"_class_name": FLOW, "shift": 0}, "shift is 0.0"),
        ({"_class_name": FLOW, "shift": [3]}, r"shift is \[3\], expected a number"),
    ],
)
def test_schedule_that_the_loop_cannot_follow_is_refused_in_one_line(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ExportError, match=reason) as caught:
        read_diffusion(written(tmp_path, {**SDXL, **changes}))
    assert "\n" not in str(caught.value) and "scheduler_config.json: " in str(caught.value)


def test_config_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scheduler_config.json").write_text("{")
    with pytest.raises(ExportError, match=r"Cannot read .*scheduler_config\.json"):
        read_diffusion(tmp_path / "scheduler_config.json")
