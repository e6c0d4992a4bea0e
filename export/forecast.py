"""What an export will take, and what a model of it: told by headers and configs alone, in a moment.

Needs no torch. What passes here may still be refused by the export, which reads the weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from contract.families import Family
from contract.names import DECODER, DENOISER, TEXT_ENCODER, TEXT_ENCODER_T5
from contract.safetensors_header import SafetensorsHeader
from export.checkpoints.clean_folder import (
    CONFIG_FILE,
    DIFFUSERS_FILE,
    TRANSFORMERS_FILE,
    find_weights,
    read_config,
)
from export.checkpoints.early_check import (
    check_early,
    family_of_index,
    family_of_keys,
    is_like,
    read_index,
)
from export.checkpoints.other_kinds import begins, open_files, open_header
from export.checkpoints.schedule_choice import (
    NO_OPTIONS,
    ScheduleChoice,
    ScheduleOptions,
    choose_for_file,
    schedule_of_folder,
)
from export.families.published import PUBLISHED
from export.single_file_keys import COMFY_VAE_PREFIX, T5_PREFIX, UNET_PREFIX, VAE_PREFIX

FP16, FP32 = 2, 4  # bytes of a value
# Measured (docs/export.md): of the exporter and its libraries, and bytes for each of the denoiser's in fp32
# while the graph and torch draw side by side.
PROCESS_BYTES, COMPARED = 600 << 20, 2.0
COMPILED = 2  # bytes on disk for each of a network's, where OpenVINO runs it
DECODES = ("decoder.", "post_quant_conv.")  # how the keys of what is exported of a VAE begin
VAE = "AutoencoderKL"
LICENCE_KEYS = ("modelspec.license", "license", "licence")
MAX_README_BYTES = 65_536
# What terms that keep pictures from serving customers are called, by their names' parts.
NOT_FOR_CUSTOMERS = ("non-commercial", "noncommercial", "-nc", "research-only", "community")


@dataclass(frozen=True, kw_only=True)
class Forecast:
    family: Family
    choice: ScheduleChoice
    values: Mapping[str, int]  # numbers in each part
    configs: Mapping[str, Mapping[str, Any]]  # of denoiser and decoder
    downscale: int
    unpacked: int  # bytes of a copy in diffusers' layout that the export works on; 0 where it needs none
    licence: str  # as the checkpoint states it; "" where it does not

    @property
    def stored(self) -> Mapping[str, int]:
        """Bytes of each part's weights, as an export stores them by default."""
        return {part: FP16 * values for part, values in self.values.items()}

    @property
    def disk(self) -> int:
        """Bytes that it needs at most: its networks, and beside them first what the export works on, then
        what Triton compiles of them."""
        stored = sum(self.stored.values())
        return stored + max(self.unpacked, COMPILED * stored)

    @property
    def memory(self) -> int:
        """Bytes that the exporter takes at most, without the files that it maps."""
        return PROCESS_BYTES + int(COMPARED * FP32 * self.values[DENOISER])

    @property
    def is_restricted(self) -> bool:
        """Whether its licence seems to keep pictures from serving customers."""
        return any(part in self.licence.lower() for part in NOT_FOR_CUSTOMERS)


def forecast(
    checkpoint: Path,
    *,
    vae: Path | None = None,
    like: Path | None = None,
    text_encoders: Sequence[Path] = (),
    schedule: ScheduleOptions = NO_OPTIONS,
) -> Forecast:
    """Options as of the export. Raises ExportError, and OSError."""
    check_early(checkpoint, vae, text_encoders)
    if checkpoint.is_dir():
        return _of_folder(checkpoint, vae, schedule)
    return _of_file(checkpoint, open_files(checkpoint, text_encoders).header, vae, like, schedule)


def _of_folder(folder: Path, vae: Path | None, schedule: ScheduleOptions) -> Forecast:
    family = family_of_index(read_index(folder), folder)
    denoiser = read_config(folder / family.denoiser, family.denoiser_class)
    config, decoder = _vae(vae or folder / "vae", family)
    values = {
        **{
            part: sum(find_weights(folder / one.name, TRANSFORMERS_FILE).values for one in encoders)
            for part, encoders in family.text_parts.items()
        },
        DENOISER: find_weights(folder / family.denoiser, DIFFUSERS_FILE).values,
        DECODER: decoder,
    }
    return Forecast(
        family=family,
        choice=schedule_of_folder(folder, schedule),
        values=values,
        configs={DENOISER: denoiser, DECODER: config},
        downscale=_downscale(config),
        unpacked=FP32 * decoder if vae else 0,  # the rest is linked
        licence=_licence_of_folder(folder),
    )


def _of_file(
    path: Path, header: SafetensorsHeader, vae: Path | None, like: Path | None, schedule: ScheduleOptions
) -> Forecast:
    family = family_of_keys(path, header.shapes)
    configs = PUBLISHED[family.name]
    denoiser_config = configs[family.denoiser]
    if is_like(like, family.denoiser, family):
        denoiser_config = read_config(like / family.denoiser, family.denoiser_class)
    config, decoder = _vae(vae, family) if vae else (configs["vae"], _count(header, VAE_PREFIX, DECODES))
    if not (vae and vae.is_dir()) and is_like(like, "vae", family):
        config = read_config(like / "vae", VAE)
    denoiser, whole_vae = _count(header, UNET_PREFIX), _count(header, VAE_PREFIX)
    apart = {
        part: header.values_of((prefix,))
        for part, prefix in ((TEXT_ENCODER_T5, T5_PREFIX),)
        if part in family.part_names
    }
    values = {
        TEXT_ENCODER: header.values - denoiser - whole_vae - sum(apart.values()),
        **apart,
        DENOISER: denoiser,
        DECODER: decoder,
    }
    return Forecast(
        family=family,
        choice=choose_for_file(path, header, family, like, schedule),
        values=values,
        configs={DENOISER: denoiser_config, DECODER: config},
        downscale=_downscale(config),
        unpacked=header.data_bytes,
        licence=next((header.metadata[key] for key in LICENCE_KEYS if key in header.metadata), ""),
    )


def _vae(path: Path, family: Family) -> tuple[Mapping[str, Any], int]:
    """Its config, and how many values its decoder has. `path`: of a folder or a file."""
    if not path.is_dir():
        header = open_header(path)
        prefixes = (VAE_PREFIX, COMFY_VAE_PREFIX)
        prefix = next((prefix for prefix in prefixes if begins(header.shapes, prefix)), "")
        return PUBLISHED[family.name]["vae"], _count(header, prefix, DECODES)
    folder = path if (path / CONFIG_FILE).exists() else path / "vae"
    weights = find_weights(folder, DIFFUSERS_FILE)
    return read_config(folder, VAE), sum(_count(one, "", DECODES) for one in weights.headers.values())


def _count(header: SafetensorsHeader, prefix: str, more: tuple[str, ...] = ("",)) -> int:
    """Values of the tensors whose names begin like that."""
    return header.values_of(tuple(f"{prefix}{end}" for end in more))


def _downscale(vae: Mapping[str, Any]) -> int:
    return int(2 ** (len(vae["block_out_channels"]) - 1))


def _licence_of_folder(folder: Path) -> str:
    """As the front matter of its README.md states it."""
    try:
        with (folder / "README.md").open(errors="replace") as file:
            begin = file.read(MAX_README_BYTES)
        table = yaml.safe_load(begin.split("---")[1]) if begin.startswith("---") else None
    except (OSError, IndexError, yaml.YAMLError, RecursionError, ValueError):
        return ""
    if not isinstance(table, dict):
        return ""
    named = table.get("license_name") if table.get("license") == "other" else None
    return str(named or table.get("license") or "")[:100]
