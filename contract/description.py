"""pipeline.json: what a base model's export tells of it to text_to_image and to whoever merges LoRAs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.families import SD15, SDXL, Family, family_named
from contract.limits import MAX_WINDOWS
from contract.samplers import EULER, USUAL, Sampling
from contract.schedules import Diffusion, schedule_of_table, schedule_to_table

FORMAT = 1


class BadDescription(Exception):
    """A model's own files are not usable; the text is one line that names the file."""


@dataclass(frozen=True, kw_only=True)
class Description:
    family: Family
    diffusion: Diffusion
    latent_channels: int
    downscale: int  # pixels of the picture per latent, along one side
    pad_tokens: tuple[int, ...]  # one for each of the family's text encoders
    token_window: int
    embedding_widths: tuple[int, ...] = ()  # what each text encoder makes of a token; (): not known
    max_windows: int = MAX_WINDOWS  # of one prompt that the denoiser takes; a plan is built for few
    sampling: Sampling = USUAL  # where an order says nothing
    text_width: int = 0  # of the denoiser's embeddings; 0: what the widest text part makes

    @property
    def has_emphasis(self) -> bool:
        """Whether the weight of a word changes anything: a language model's states are taken as they are."""
        return not any(encoder.template for encoder in self.family.text_encoders)

    @property
    def has_negative(self) -> bool:
        """Whether a negative prompt changes anything."""
        return self.family.guiding == "negative"

    def to_table(self) -> dict[str, Any]:
        pads = zip(self.family.text_encoders, self.pad_tokens, strict=True)
        return {
            "format": FORMAT,
            "family": self.family.name,
            "prediction": self.diffusion.prediction,
            "sigmas": schedule_to_table(self.diffusion.schedule),
            "latent_channels": self.latent_channels,
            "downscale": self.downscale,
            **{encoder.pad_token: pad for encoder, pad in pads},
            "token_window": self.token_window,
            **({"embedding_widths": list(self.embedding_widths)} if self.embedding_widths else {}),
            **({"max_windows": self.max_windows} if self.max_windows != MAX_WINDOWS else {}),
            **({"sampler": self.sampling.sampler} if self.sampling.sampler != EULER else {}),
            **({"spacing": self.sampling.spacing} if self.sampling.spacing else {}),
            **({"text_width": self.text_width} if self.text_width else {}),
        }

    def to_json(self) -> bytes:
        return (json.dumps(self.to_table(), indent=2) + "\n").encode()


def read_description(path: Path) -> Description:
    """Raises BadDescription."""
    try:
        return _description(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadDescription(f"{path.parent.name}/{path.name}: {type(error).__name__}: {error}") from None


def _description(table: Mapping[str, Any]) -> Description:
    if table["format"] != FORMAT:
        raise ValueError(f"format is {table['format']}, expected {FORMAT}")
    family = _family(table)
    return Description(
        family=family,
        diffusion=Diffusion(table["prediction"], schedule_of_table(table["sigmas"])),
        latent_channels=_bounded(table, "latent_channels", 1, 256),
        downscale=_bounded(table, "downscale", 1, 64),
        pad_tokens=tuple(_bounded(table, one.pad_token, 0, 2**31) for one in family.text_encoders),
        token_window=_bounded(table, "token_window", 3, 1024),
        embedding_widths=_widths(table, family),
        max_windows=_bounded({"max_windows": MAX_WINDOWS, **table}, "max_windows", 1, MAX_WINDOWS),
        sampling=Sampling(table.get("sampler", EULER), table.get("spacing", "")),
        text_width=_bounded({"text_width": 0, **table}, "text_width", 0, 2**16),
    )


def _family(table: Mapping[str, Any]) -> Family:
    """Older files name none: they are of the two families that there were, of which one pads two windows."""
    if "family" in table:
        return family_named(table["family"])
    return SDXL if SDXL.text_encoders[1].pad_token in table else SD15


def _widths(table: Mapping[str, Any], family: Family) -> tuple[int, ...]:
    """Older files do not tell them."""
    widths = table.get("embedding_widths", [])
    if not isinstance(widths, list) or len(widths) not in (0, len(family.text_encoders)):
        raise ValueError(f"embedding_widths is {widths!r}, expected one for each text encoder")
    return tuple(_bounded({"embedding_widths": width}, "embedding_widths", 1, 2**16) for width in widths)


def _bounded(table: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = table[name]
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, expected {low} to {high}")
    return value
