"""What a checkpoint's denoiser predicts and over which noise levels it is drawn: chosen, and from what.

Later ones win: as the family was published, the scheduler's config (of a folder, or of the folder that --like
names), the name of a model of few steps, what a single file says of itself, the options of the command.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from contract.families import Family
from contract.safetensors_header import SafetensorsHeader
from contract.samplers import SGM_UNIFORM, USUAL, Sampler, Sampling, Spacing, walk_of
from contract.schedules import SPACINGS, Diffusion, FlowSchedule, Prediction, ScaledLinearSchedule
from export.checkpoints.early_check import family_of_index, names_of, read_index
from export.checkpoints.schedule_marks import NO_MARKS, FileMarks, Said, distilled_name, read_marks
from export.checkpoints.scheduler import (
    DIFFUSERS_WORD,
    EDM_WORDS,
    SAY_PREDICTION,
    TRAIN_STEPS,
    SchedulerSays,
    flow_of,
    read_scheduler,
)
from export.errors import ExportError
from export.json_file import read_json

SCHEDULER_FILE = Path("scheduler", "scheduler_config.json")
FLOW_SHIFT = 3.0  # of a model that is said to predict flow, and no more
OPTIONS = {"prediction": "--prediction", "spacing": "--spacing", "zero_snr": "--zero-snr"}
Layer = Mapping[str, Said]
"""What one source says of prediction, spacing, zero_snr."""


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions:
    """What the person at the command line says; None: nothing."""

    prediction: Prediction | None = None
    spacing: Spacing | None = None
    zero_snr: bool | None = None
    sampler: Sampler | None = None

    @property
    def said(self) -> Mapping[str, Any]:
        """In place of what a checkpoint says of its training."""
        trained = "trailing" if self.spacing == SGM_UNIFORM else self.spacing
        values = {
            "prediction": self.prediction,
            "spacing": trained if trained in SPACINGS else None,
            "zero_snr": self.zero_snr,
        }
        return {name: value for name, value in values.items() if value is not None}

    def sampling(self, own: Sampling) -> Sampling:
        """In place of a checkpoint's own. Raises ValueError for what does not go together."""
        bent = self.spacing if self.spacing and "spacing" not in self.said else ""
        if self.sampler:
            return Sampling(self.sampler, bent)
        return Sampling(own.sampler, bent) if self.spacing else own


NO_OPTIONS = ScheduleOptions()


@dataclass(frozen=True)
class ScheduleChoice:
    diffusion: Diffusion
    sampling: Sampling
    lines: tuple[str, ...]  # for people: what was chosen, from what; then what of the sampler was left out
    imposed: Mapping[str, Any]
    """Of prediction, spacing and zero_snr, what the checkpoint did not say: options, names, for zero SNR."""


def schedule_of_folder(folder: Path, options: ScheduleOptions) -> ScheduleChoice:
    """Raises ExportError."""
    index, config = read_index(folder), folder / SCHEDULER_FILE
    if not config.exists() and options.prediction is None:
        raise ExportError(f"{config} is missing; {SAY_PREDICTION}")
    found, names = config if config.exists() else None, names_of(index, folder)
    return choose_schedule(family_of_index(index, folder), options, config=found, names=names)


def choose_for_file(
    path: Path, header: SafetensorsHeader, family: Family, like: Path | None, options: ScheduleOptions
) -> ScheduleChoice:
    """Of a single file. Raises ExportError."""
    config = like / SCHEDULER_FILE if like else None
    found = config if config and config.exists() else None
    return choose_schedule(family, options, config=found, marks=read_marks(path, header), names=[path.stem])


def choose_schedule(
    family: Family,
    options: ScheduleOptions,
    *,
    config: Path | None = None,
    marks: FileMarks = NO_MARKS,
    names: Sequence[str] = (),
) -> ScheduleChoice:
    """`config`: a scheduler's, which must exist; `names`: that the checkpoint goes by. Raises ExportError."""
    says = _read_config(config, options) if config else None
    sampler = (str(read_json(config).get("_class_name")),) if config else ()
    layers: list[Layer] = [
        _published(family),
        _of_config(says, config),
        _of_names((*marks.names, *names, *sampler)),
        marks.said,
        _of_options(options),
    ]
    chosen = {name: said for layer in layers for name, said in layer.items()}
    rank = {name: number for number, layer in enumerate(layers) for name in layer}
    if chosen["zero_snr"].value and rank["zero_snr"] > rank["spacing"]:
        # Its first step must be the last timestep, which is what such a model was trained for.
        chosen["spacing"] = Said("trailing", "for zero SNR", imposed=True)
    try:
        diffusion = _diffusion(family, says, chosen, options)
    except ValueError as error:
        raise ExportError(f"{_line(chosen)}: {error}") from None
    try:
        sampling = options.sampling(says.sampling if says else USUAL)
        walk_of(diffusion, sampling, 1)
    except ValueError as error:
        raise ExportError(str(error)) from None
    drawn = [_told(sampling)] if sampling != USUAL else []
    first = "; ".join([_line(chosen), *drawn, *marks.contradictions])
    lines = (first, *([says.remark] if says and says.remark else []))
    imposed = {name: said.value for name, said in chosen.items() if said.imposed}
    return ScheduleChoice(diffusion, sampling, lines, imposed)


def _told(sampling: Sampling) -> str:
    return f"drawn by {sampling.sampler}" + (f" over {sampling.spacing} spacing" if sampling.spacing else "")


def _read_config(config: Path, options: ScheduleOptions) -> SchedulerSays | None:
    """None where it cannot be used and --prediction makes it needless; an EDM model stays one."""
    try:
        return read_scheduler(config)
    except ExportError as error:
        if options.prediction is None or EDM_WORDS in str(error):
            raise
        return None


def _published(family: Family) -> Layer:
    source = f"as {family.title} was published"
    schedule = family.diffusion.schedule
    spacing = schedule.spacing if isinstance(schedule, ScaledLinearSchedule) else "leading"
    return {
        "prediction": Said(family.diffusion.prediction, source),
        "spacing": Said(spacing, source),
        "zero_snr": Said(False, source),
    }


def _of_config(says: SchedulerSays | None, config: Path | None) -> Layer:
    if says is None or config is None:
        return {}
    source = "/".join(config.parts[-3:])
    found = {"prediction": says.prediction, "spacing": says.spacing, "zero_snr": says.zero_snr}
    return {name: Said(value, source) for name, value in found.items() if value is not None}


def _of_names(names: Sequence[str]) -> Layer:
    name = distilled_name(names)
    return {"spacing": Said("trailing", f"{name} in its name: few steps", imposed=True)} if name else {}


def _of_options(options: ScheduleOptions) -> Layer:
    return {name: Said(value, OPTIONS[name], imposed=True) for name, value in options.said.items()}


def _diffusion(
    family: Family, says: SchedulerSays | None, chosen: Layer, options: ScheduleOptions
) -> Diffusion:
    """Raises ValueError for what does not go together."""
    usual = family.diffusion.schedule
    prediction: Prediction = chosen["prediction"].value
    if prediction == "flow":
        for name in ("spacing", "zero_snr"):
            if options.said.get(name):
                raise ValueError(f"{OPTIONS[name]} does not go with flow")
        own = usual if isinstance(usual, FlowSchedule) else FlowSchedule(FLOW_SHIFT)
        return flow_of(says.flow if says and says.flow else own, family)
    if chosen["zero_snr"].value and prediction != "v":
        raise ValueError("zero SNR goes with v_prediction only: --prediction v_prediction or --no-zero-snr")
    betas = (usual.beta_start, usual.beta_end) if isinstance(usual, ScaledLinearSchedule) else None
    if says and says.betas:
        betas = says.betas
    if betas is None:
        raise ValueError(f"{family.title} has noise levels of flow only")
    offset = usual.steps_offset if isinstance(usual, ScaledLinearSchedule) else 0
    schedule = ScaledLinearSchedule(
        beta_start=betas[0],
        beta_end=betas[1],
        train_steps=TRAIN_STEPS,
        spacing=chosen["spacing"].value,
        steps_offset=says.steps_offset if says and says.betas else offset,
        zero_snr=chosen["zero_snr"].value,
    )
    return Diffusion(prediction, schedule)


def _line(chosen: Layer) -> str:
    """For people: what, and from what; where several have one source it is named once."""
    predicts, spacing, zero_snr = (chosen[name] for name in ("prediction", "spacing", "zero_snr"))
    told = [(f"predicts {DIFFUSERS_WORD[predicts.value]}", predicts.source)]
    if predicts.value != "flow":
        told.append((f"{spacing.value} spacing", spacing.source))
        if zero_snr.value:
            told.append(("zero SNR", zero_snr.source))
    grouped = groupby(told, key=itemgetter(1))
    return ", ".join(f"{', '.join(what for what, _ in same)} ({source})" for source, same in grouped)
