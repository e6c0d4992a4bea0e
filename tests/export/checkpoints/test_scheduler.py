import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diffusers import EulerDiscreteScheduler

from export.checkpoints.scheduler import Schedule, read_schedule
from export.errors import ExportError
from tests.export.tiny import BETAS

SDXL = {"_class_name": "EulerDiscreteScheduler", "prediction_type": "epsilon", **BETAS}


def written(folder: Path, options: Any) -> Path:
    path = folder / "scheduler_config.json"
    path.write_text(json.dumps(options))
    return path


@pytest.mark.parametrize("zero_snr", [False, True])
def test_sigma_table_is_diffusers_own(zero_snr: bool) -> None:
    betas: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012}
    ours = Schedule(prediction="v", spacing="leading", zero_snr=zero_snr, **betas)
    kept = EulerDiscreteScheduler(**BETAS, rescale_betas_zero_snr=zero_snr).alphas_cumprod.double().numpy()
    np.testing.assert_allclose(
        np.exp(ours.log_sigmas()), np.sqrt((1 - kept) / kept), rtol=2e-4 if zero_snr else 2e-5
    )


def test_published_sdxl_schedule_is_read(tmp_path: Path) -> None:
    schedule = read_schedule(written(tmp_path, SDXL))
    assert schedule.prediction == "epsilon"
    assert schedule.sigmas() == {
        "kind": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "train_steps": 1000,
        "spacing": "leading",
        "steps_offset": 1,
    }


def test_flow_schedule_is_read(tmp_path: Path) -> None:
    schedule = read_schedule(
        written(tmp_path, {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0})
    )
    assert (schedule.prediction, schedule.sigmas()) == ("flow", {"kind": "flow", "shift": 3.0})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rescale_betas_zero_snr": True}, "Zero terminal SNR goes with v prediction only"),
        ({"use_karras_sigmas": True}, "use_karras_sigmas is not supported"),
        ({"prediction_type": "sample"}, "Unknown prediction_type 'sample'"),
        ({"beta_schedule": "linear"}, "'linear' is not scaled_linear"),
        ({"beta_end": 2.0}, "betas must rise between 0 and 1"),
        ({"num_train_timesteps": 4000}, "4000 training steps"),
        ({"timestep_spacing": "odd"}, "Unknown timestep_spacing 'odd'"),
        ({"_class_name": "LCMScheduler"}, "Unknown scheduler 'LCMScheduler'"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 0}, "shift 0.0 is outside"),
    ],
)
def test_schedule_that_the_loop_cannot_follow_is_refused(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ExportError, match=reason):
        read_schedule(written(tmp_path, {**SDXL, **changes}))


def test_config_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scheduler_config.json").write_text("{")
    with pytest.raises(ExportError, match="Cannot read the scheduler's config"):
        read_schedule(tmp_path / "scheduler_config.json")
