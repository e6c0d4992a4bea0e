import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.schedules import (
    Diffusion,
    FlowSchedule,
    NoiseSchedule,
    Prediction,
    ScaledLinearSchedule,
    schedule_of_table,
    schedule_to_table,
)


def sdxl(spacing: str = "leading", steps_offset: int = 1, zero_snr: bool = False) -> ScaledLinearSchedule:
    return ScaledLinearSchedule(
        beta_start=0.00085,
        beta_end=0.012,
        train_steps=1000,
        spacing=spacing,
        steps_offset=steps_offset,
        zero_snr=zero_snr,
    )


SCHEDULES: list[NoiseSchedule] = [
    FlowSchedule(1.0),
    FlowSchedule(3.0),
    sdxl(),
    sdxl("trailing"),
    sdxl("linspace"),
    sdxl("trailing", zero_snr=True),
]


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(steps=st.integers(2, 100))
def test_noise_falls_step_by_step_to_nothing(schedule: NoiseSchedule, steps: int) -> None:
    sigmas = schedule.sigmas(steps)
    assert sigmas.shape == (steps + 1,) and sigmas.dtype == np.float32
    assert (np.diff(sigmas) < 0).all() and sigmas[-1] == 0


def test_flow_starts_at_pure_noise_and_bends_towards_it() -> None:
    assert FlowSchedule(1.0).sigmas(4).tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert np.allclose(FlowSchedule(3.0).sigmas(4), [1.0, 0.9, 0.75, 0.5, 0.0])
    assert FlowSchedule(3.0).init_noise_sigma(FlowSchedule(3.0).sigmas(4)) == 1.0


# Printed by diffusers 0.39, EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012,
# beta_schedule="scaled_linear", timestep_spacing=..., steps_offset=1).set_timesteps(5): sigmas, then
# init_noise_sigma.
DIFFUSERS: dict[str, tuple[list[float], float]] = {
    "leading": ([5.1344, 2.2929, 1.1682, 0.5741, 0.0413, 0.0], 5.2309),
    "trailing": ([14.6146, 5.0878, 2.2765, 1.1606, 0.5693, 0.0], 14.6146),
    "linspace": ([14.6146, 4.0861, 1.6156, 0.6952, 0.0292, 0.0], 14.6146),
}


ZERO_SNR = [4095.9998, 7.4107, 2.6049, 1.2414, 0.5948, 0.0]


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_scaled_linear_is_what_diffusers_computes(spacing: str) -> None:
    expected, init_noise_sigma = DIFFUSERS[spacing]
    sigmas = sdxl(spacing).sigmas(5)
    assert np.allclose(sigmas, expected, atol=1e-4)
    assert sdxl(spacing).init_noise_sigma(sigmas) == pytest.approx(init_noise_sigma, rel=1e-4)


def test_zero_snr_is_what_diffusers_computes() -> None:
    """Printed by the same scheduler with rescale_betas_zero_snr=True and trailing spacing."""
    schedule = sdxl("trailing", zero_snr=True)
    sigmas = schedule.sigmas(5)
    assert np.allclose(sigmas, ZERO_SNR, rtol=2e-4)
    assert schedule.init_noise_sigma(sigmas) == pytest.approx(ZERO_SNR[0], rel=1e-4)


@pytest.mark.parametrize("shift", [0.0, -1.0, float("nan"), 101.0])
def test_a_senseless_shift_is_refused(shift: float) -> None:
    with pytest.raises(ValueError, match="shift"):
        FlowSchedule(shift)


def test_senseless_betas_are_refused() -> None:
    with pytest.raises(ValueError, match="spacing"):
        sdxl("sideways")
    with pytest.raises(ValueError, match="betas"):
        ScaledLinearSchedule(
            beta_start=0.5, beta_end=0.1, train_steps=1000, spacing="leading", steps_offset=1
        )


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedule_survives_pipeline_json(schedule: NoiseSchedule) -> None:
    assert schedule_of_table(json.loads(json.dumps(schedule_to_table(schedule)))) == schedule


def test_table_says_zero_snr_only_where_it_is() -> None:
    assert "zero_snr" not in schedule_to_table(sdxl())
    assert schedule_to_table(sdxl("trailing", zero_snr=True))["zero_snr"] is True
    assert schedule_to_table(FlowSchedule(3.0)) == {"kind": "flow", "shift": 3.0}


@pytest.mark.parametrize("zero_snr", [False, True])
def test_training_table_is_what_the_steps_are_taken_from(zero_snr: bool) -> None:
    """The exporter's fp32 betas and the loop's fp64 ones are the same schedule."""
    schedule = sdxl("trailing", zero_snr=zero_snr)
    found = np.exp(schedule.log_sigmas())
    assert found.shape == (1000,) and (np.diff(found) > 0).all()
    assert np.allclose(schedule.sigmas(1000)[:-1], found[::-1], rtol=2e-4)


@pytest.mark.parametrize(
    ("prediction", "schedule"),
    [("flow", sdxl()), ("v", FlowSchedule(3.0)), ("epsilon", sdxl(zero_snr=True)), ("sample", sdxl())],
)
def test_prediction_that_does_not_go_with_its_schedule_is_refused(
    prediction: Prediction, schedule: NoiseSchedule
) -> None:
    with pytest.raises(ValueError):
        Diffusion(prediction, schedule)
