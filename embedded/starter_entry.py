"""A model's first entry in the catalogue, written by its export: something to draw with, and to edit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import yaml

from contract.bank import BANK_FILE
from contract.description import Description
from contract.families import Family
from contract.samplers import CONSISTENCY
from contract.schedules import ScaledLinearSchedule
from frontend.catalogue.catalogue import AdapterKind, model_of
from frontend.common.atomic_write import atomic_write

FEW_STEPS, LITTLE_GUIDANCE = 8, 1.5
StyleTerms = Mapping[str, str]
"""label, positive, negative; what is empty is left out."""
STYLES: Mapping[str, StyleTerms] = MappingProxyType(
    {
        "plain": {"label": "Plain"},
        "photograph": {
            "label": "Photograph",
            "positive": "photograph, natural light, sharp focus, detailed",
            "negative": "drawing, painting, illustration",
        },
        "illustration": {
            "label": "Illustration",
            "positive": "illustration, clean lines, vivid colours",
            "negative": "photograph",
        },
        "painting": {
            "label": "Painting",
            "positive": "oil painting, visible brush strokes, rich colours",
            "negative": "photograph",
        },
    }
)
"""The first one is the default style."""


@dataclass(frozen=True, kw_only=True)
class EntryOptions:
    label: str = ""  # empty: the name, with a capital
    order: int | None = None  # None: the catalogue's own
    styles: Mapping[str, StyleTerms] = field(default_factory=lambda: STYLES)  # the first one is the default
    steps: int | None = None  # None, as for guidance: the family's
    guidance: float | None = None
    adapters: AdapterKind = "merged"

    def check(self, name: str) -> None:
        """Raises CatalogueError where no entry of `name` can say this."""
        table = {
            "name": name,
            "label": self.label or label_of(name),
            "default_style": next(iter(self.styles)),
            "steps": FEW_STEPS if self.steps is None else self.steps,
            "guidance": LITTLE_GUIDANCE if self.guidance is None else self.guidance,
            "styles": {style: dict(terms) for style, terms in self.styles.items()},
        }
        model_of(f"model {name}", table)


def adapters_of(denoiser: Path) -> AdapterKind:
    """`denoiser`: its folder, as it was exported."""
    return "bank" if (denoiser / BANK_FILE).is_file() else "merged"


def label_of(name: str) -> str:
    return name.replace("-", " ").capitalize()


def write_starter_entry(
    catalogue: Path, name: str, description: Description, options: EntryOptions = EntryOptions()
) -> Path:
    """Into `catalogue`/models, where it stays as it is if there is one already. Raises OSError."""
    path = catalogue / "models" / f"{name}.yaml"
    atomic_write(path, starter_entry(name, description, options).encode(), replace=False)
    return path


def starter_entry(name: str, description: Description, options: EntryOptions = EntryOptions()) -> str:
    usual_steps, usual_guidance, why = _sampling(description)
    steps = usual_steps if options.steps is None else options.steps
    guidance = usual_guidance if options.guidance is None else options.guidance
    chosen = {
        "label": options.label or label_of(name),
        **({} if options.order is None else {"order": options.order}),
        "default_style": next(iter(options.styles)),
    }
    bank = "adapters: bank\n" if options.adapters == "bank" else ""  # older servers know no such key
    left_out = "" if description.has_negative or options.styles is not STYLES else "negative"
    styles = {
        "styles": {
            style: {key: value for key, value in terms.items() if key != left_out}
            for style, terms in options.styles.items()
        }
    }
    negative = "negative: blurry, low quality, watermark, text\n" if description.has_negative else ""
    return f"""\
# Written by the export of {name}, {description.family.title}; yours to edit, also while a server runs.
{_yaml(chosen)}# {why}
steps: {steps}
guidance: {guidance:g}
{negative}quality: high quality
{bank}{_yaml(styles)}"""


def _yaml(table: object) -> str:
    written: str = yaml.safe_dump(table, sort_keys=False, allow_unicode=True, width=10_000)
    return written


def _sampling(description: Description) -> tuple[int, float, str]:
    family: Family = description.family
    schedule = description.diffusion.schedule
    if description.sampling.sampler == CONSISTENCY:
        return FEW_STEPS, LITTLE_GUIDANCE, "Of a consistency model: few steps are enough."
    if (
        isinstance(schedule, ScaledLinearSchedule)
        and schedule.spacing == "trailing"
        and description.diffusion.prediction == "epsilon"
    ):
        return FEW_STEPS, LITTLE_GUIDANCE, "Trailing steps, as Turbo and Lightning have them: few are enough."
    unguided = description.family.guiding == "none"
    more = "guidance changes nothing" if unguided else "more guidance follows the prompt closer"
    end = "." if description.has_negative else "; it takes no negative prompt."
    return family.steps, family.guidance, f"Usual of {family.title}: more steps take longer, {more}{end}"
