"""Who wins where options, file, names, scheduler and family say different things, and what is printed."""

import json
from pathlib import Path
from typing import Any

import pytest

from contract.families import SDXL
from contract.samplers import Sampling
from contract.schedules import Diffusion, FlowSchedule, ScaledLinearSchedule
from export.checkpoints.schedule_choice import NO_OPTIONS, ScheduleOptions, choose_schedule
from export.checkpoints.schedule_marks import FileMarks, Said
from export.errors import ExportError
from tests.export.tiny import BETAS

EULER = {"_class_name": "EulerDiscreteScheduler", **BETAS}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Of a model of v prediction and zero SNR."""
    path = tmp_path / "scheduler" / "scheduler_config.json"
    path.parent.mkdir()
    options = {
        "prediction_type": "v_prediction",
        "timestep_spacing": "linspace",
        "rescale_betas_zero_snr": True,
    }
    path.write_text(json.dumps({**EULER, **options}))
    return path


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def marked(**said: object) -> FileMarks:
    return FileMarks({name: Said(value, f"{name} in the file") for name, value in said.items()})


def of(diffusion: Diffusion) -> tuple[str, str, bool]:
    schedule = diffusion.schedule
    assert isinstance(schedule, ScaledLinearSchedule)
    return diffusion.prediction, schedule.spacing, schedule.zero_snr


def test_file_that_says_nothing_is_as_published_and_the_line_says_so() -> None:
    found = choose_schedule(SDXL, NO_OPTIONS)
    assert found.diffusion == SDXL.diffusion
    assert found.lines == ("predicts epsilon, leading spacing (as SDXL was published)",)
    assert found.imposed == {}


def test_scheduler_of_the_folder_is_taken(config: Path) -> None:
    found = choose_schedule(SDXL, NO_OPTIONS, config=config)
    assert of(found.diffusion) == ("v", "linspace", True)
    assert found.lines[0].startswith("predicts v_prediction, linspace spacing, zero SNR (")
    assert found.lines[0].endswith("/scheduler/scheduler_config.json)")


def test_file_wins_over_the_scheduler_of_like(config: Path) -> None:
    marks = marked(prediction="epsilon", zero_snr=False)
    found = choose_schedule(SDXL, NO_OPTIONS, config=config, marks=marks)
    assert of(found.diffusion) == ("epsilon", "linspace", False)
    assert "predicts epsilon (prediction in the file)" in found.lines[0]


def test_zero_snr_of_the_file_begins_at_the_last_timestep() -> None:
    found = choose_schedule(SDXL, NO_OPTIONS, marks=marked(prediction="v", zero_snr=True))
    assert of(found.diffusion) == ("v", "trailing", True)
    assert "trailing spacing (for zero SNR), zero SNR (zero_snr in the file)" in found.lines[0]


def test_options_win(config: Path) -> None:
    options = ScheduleOptions(prediction="v", spacing="leading", zero_snr=False)
    marks = marked(prediction="epsilon", spacing="trailing", zero_snr=True)
    found = choose_schedule(SDXL, options, config=config, marks=marks, names=["turbo"])
    assert of(found.diffusion) == ("v", "leading", False)
    assert found.lines == ("predicts v_prediction (--prediction), leading spacing (--spacing)",)
    assert found.imposed == {"prediction": "v", "spacing": "leading", "zero_snr": False}


def test_marks_that_were_lost_are_said_by_options() -> None:
    found = choose_schedule(SDXL, ScheduleOptions(prediction="v", zero_snr=True))
    assert of(found.diffusion) == ("v", "trailing", True)


def test_option_of_flow_takes_a_scheduler_of_another_kind(config: Path) -> None:
    found = choose_schedule(SDXL, ScheduleOptions(prediction="flow"), config=config)
    assert found.diffusion == Diffusion("flow", FlowSchedule(3.0))
    with pytest.raises(ExportError, match="--spacing does not go with flow"):
        choose_schedule(SDXL, ScheduleOptions(prediction="flow", spacing="trailing"))


@pytest.mark.parametrize("names", [["modelTurbo_v1"], ["sd_xl", "sdxl_lightning_8step"]])
def test_model_of_few_steps_begins_at_the_last_timestep(names: list[str], config: Path) -> None:
    edit(config, timestep_spacing="leading", rescale_betas_zero_snr=False, prediction_type="epsilon")
    found = choose_schedule(SDXL, NO_OPTIONS, config=config, names=names)
    assert of(found.diffusion) == ("epsilon", "trailing", False)
    assert "trailing spacing (" in found.lines[0] and "in its name: few steps)" in found.lines[0]


def test_few_steps_by_the_scheduler(config: Path) -> None:
    edit(config, _class_name="TCDScheduler", timestep_spacing="leading")
    found = choose_schedule(SDXL, NO_OPTIONS, config=config)
    assert of(found.diffusion)[1] == "trailing"
    assert found.lines[1].endswith("the sampler TCDScheduler, in place of which Euler steps are taken")


def test_contradiction_in_the_file_is_told() -> None:
    marks = FileMarks({"prediction": Said("v", "v_pred in the file")}, ("its metadata says otherwise",))
    assert choose_schedule(SDXL, NO_OPTIONS, marks=marks).lines[0].endswith("; its metadata says otherwise")


def test_consistency_model_is_drawn_as_one(config: Path) -> None:
    edit(config, _class_name="LCMScheduler", prediction_type="epsilon", rescale_betas_zero_snr=False)
    found = choose_schedule(SDXL, NO_OPTIONS, config=config)
    assert found.sampling == Sampling("lcm") and found.lines[0].endswith("; drawn by lcm")


@pytest.mark.parametrize(
    ("options", "sampling", "trained"),
    [
        (ScheduleOptions(spacing="karras"), Sampling("dpmpp_2m", "karras"), "leading"),
        (ScheduleOptions(spacing="sgm_uniform"), Sampling("dpmpp_2m"), "trailing"),
        (ScheduleOptions(sampler="euler"), Sampling(), "leading"),
        (ScheduleOptions(sampler="lcm"), Sampling("lcm"), "leading"),
        (NO_OPTIONS, Sampling("dpmpp_2m", "beta"), "leading"),
    ],
)
def test_options_come_before_the_sampler_of_the_config(
    options: ScheduleOptions, sampling: Sampling, trained: str, config: Path
) -> None:
    edit(config, _class_name="DPMSolverMultistepScheduler", use_beta_sigmas=True, prediction_type="epsilon")
    edit(config, timestep_spacing="leading", rescale_betas_zero_snr=False)
    found = choose_schedule(SDXL, options, config=config)
    assert found.sampling == sampling and of(found.diffusion)[1] == trained


def test_sampler_that_does_not_go_with_the_model_is_refused() -> None:
    options = ScheduleOptions(prediction="flow", sampler="euler_ancestral")
    with pytest.raises(ExportError, match="euler_ancestral is no sampler of a flow model"):
        choose_schedule(SDXL, options)


@pytest.mark.parametrize("name", ["SomebodysScheduler", "CMStochasticIterativeScheduler"])
def test_unknown_scheduler_is_no_reason_where_the_prediction_is_said(name: str, config: Path) -> None:
    edit(config, _class_name=name)
    with pytest.raises(ExportError, match=name):
        choose_schedule(SDXL, NO_OPTIONS, config=config)
    found = choose_schedule(SDXL, ScheduleOptions(prediction="epsilon"), config=config)
    assert of(found.diffusion) == ("epsilon", "leading", False)


def test_edm_scheduler_is_refused_whatever_is_said(config: Path) -> None:
    edit(config, _class_name="EDMEulerScheduler")
    with pytest.raises(ExportError, match="is of an EDM model"):
        choose_schedule(SDXL, ScheduleOptions(prediction="v"), config=config)


@pytest.mark.parametrize("options", [NO_OPTIONS, ScheduleOptions(prediction="epsilon", zero_snr=True)])
def test_zero_snr_of_epsilon_is_refused_with_both_ways_out(options: ScheduleOptions) -> None:
    with pytest.raises(ExportError, match="--prediction v_prediction or --no-zero-snr"):
        choose_schedule(SDXL, options, marks=marked(zero_snr=True))
