import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diffusers import EulerDiscreteScheduler

from contract.families import SDXL as SDXL_FAMILY
from contract.schedules import Diffusion, FlowSchedule, ScaledLinearSchedule
from export.checkpoints.scheduler import read_diffusion, scheduler_config
from export.errors import ExportError
from tests.export.tiny import BETAS

ZERO_SNR = ScaledLinearSchedule(0.00085, 0.012, 1000, "trailing", 1, zero_snr=True)
WRITTEN = [SDXL_FAMILY.diffusion, Diffusion("v", ZERO_SNR), Diffusion("flow", FlowSchedule(2.0))]
SDXL = {"_class_name": "EulerDiscreteScheduler", "prediction_type": "epsilon", **BETAS}


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


def test_published_sdxl_schedule_is_read(tmp_path: Path) -> None:
    assert read_diffusion(written(tmp_path, SDXL)) == SDXL_FAMILY.diffusion


def test_flow_schedule_is_read(tmp_path: Path) -> None:
    options = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
    assert read_diffusion(written(tmp_path, options)) == Diffusion("flow", FlowSchedule(3.0))


@pytest.mark.parametrize("diffusion", WRITTEN)
def test_config_that_was_written_is_read_again(tmp_path: Path, diffusion: Diffusion) -> None:
    assert read_diffusion(written(tmp_path, scheduler_config(diffusion))) == diffusion


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rescale_betas_zero_snr": True}, "zero terminal SNR goes with v prediction only"),
        ({"use_karras_sigmas": True}, "use_karras_sigmas is not supported"),
        ({"prediction_type": "sample"}, "Unknown prediction_type 'sample'"),
        ({"beta_schedule": "linear"}, "'linear' is not scaled_linear"),
        ({"beta_end": 2.0}, "expected to rise between 0 and 1"),
        ({"num_train_timesteps": 4000}, "4000 training steps"),
        ({"timestep_spacing": "odd"}, "spacing is 'odd'"),
        ({"_class_name": "LCMScheduler"}, "Unknown scheduler 'LCMScheduler'"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 0}, "shift is 0.0"),
    ],
)
def test_schedule_that_the_loop_cannot_follow_is_refused(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ExportError, match=reason):
        read_diffusion(written(tmp_path, {**SDXL, **changes}))


def test_config_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scheduler_config.json").write_text("{")
    with pytest.raises(ExportError, match=r"Cannot read .*scheduler_config\.json"):
        read_diffusion(tmp_path / "scheduler_config.json")
