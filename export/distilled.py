"""A LoRA of few steps (Lightning, Hyper-SD, DMD2, LCM), by which a whole model becomes one of few steps."""

import re
from dataclasses import replace
from pathlib import Path

from contract.samplers import Sampler
from export.checkpoints.checkpoint import Checkpoint
from export.checkpoints.schedule_choice import ScheduleOptions
from export.errors import ExportError
from export.lora.keys import list_keys
from export.lora.lora_file import read_lora
from export.lora.made_for import advise
from export.lora.strength import Strength
from export.lora.torch_lora import apply_lora

CONSISTENCY = re.compile(r"(?<![a-z])(?:lcm|dmd2?)(?![a-z])", re.IGNORECASE)


def schedule_of_distilled(lora: Path, options: ScheduleOptions) -> ScheduleOptions:
    """What such a model is drawn with, where the person says nothing: from the last timestep on, and by the
    sampler that the file is named after."""
    by_name: Sampler = "lcm" if CONSISTENCY.search(lora.stem) else "euler"
    sampler = options.sampler or by_name
    spacing = options.spacing or "trailing"
    return replace(options, sampler=sampler, spacing=spacing)


def distill(lora: Path, checkpoint: Checkpoint) -> None:
    """Changes the checkpoint's networks. Raises ExportError for a layer without a target."""
    lost = apply_lora(lora, Strength(), checkpoint)
    if lost:
        raise ExportError(
            f"{lora.name}: {len(lost):,} layers have no target in the model: {list_keys(lost)}; "
            + advise(read_lora(lora).made_for, checkpoint.family.row)
        )
