"""A model's first entry in the catalogue, written by its export: something to draw with, and to edit."""

from pathlib import Path

from contract.description import Description
from contract.families import Family
from contract.schedules import ScaledLinearSchedule
from frontend.catalogue.catalogue import AdapterKind
from frontend.common.atomic_write import atomic_write

FEW_STEPS, LITTLE_GUIDANCE = 8, 1.5
STYLES = """\
styles:
  plain: {label: Plain}
  photograph:
    label: Photograph
    positive: photograph, natural light, sharp focus, detailed
    negative: drawing, painting, illustration
  illustration:
    label: Illustration
    positive: illustration, clean lines, vivid colours
    negative: photograph
  painting:
    label: Painting
    positive: oil painting, visible brush strokes, rich colours
    negative: photograph
"""


def write_starter_entry(
    catalogue: Path, name: str, description: Description, adapters: AdapterKind = "merged"
) -> Path:
    """Into `catalogue`/models, where it stays as it is if there is one already. Raises OSError."""
    path = catalogue / "models" / f"{name}.yaml"
    atomic_write(path, starter_entry(name, description, adapters).encode(), replace=False)
    return path


def starter_entry(name: str, description: Description, adapters: AdapterKind) -> str:
    steps, guidance, why = _sampling(description)
    label = name.replace("-", " ").capitalize()
    return f"""\
# Written by the export of {name}, {description.family.title}; yours to edit, also while a server runs.
label: {label}
default_style: plain
# {why}
steps: {steps}
guidance: {guidance:g}
negative: blurry, low quality, watermark, text
quality: high quality
adapters: {adapters}
{STYLES}"""


def _sampling(description: Description) -> tuple[int, float, str]:
    family: Family = description.family
    schedule = description.diffusion.schedule
    if (
        isinstance(schedule, ScaledLinearSchedule)
        and schedule.spacing == "trailing"
        and description.diffusion.prediction == "epsilon"
    ):
        return FEW_STEPS, LITTLE_GUIDANCE, "Trailing steps, as Turbo and Lightning have them: few are enough."
    why = f"Usual of {family.title}: more steps take longer, more guidance follows the prompt closer."
    return family.steps, family.guidance, why
