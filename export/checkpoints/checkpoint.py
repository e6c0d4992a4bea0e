"""A checkpoint of a known family in diffusers' folder layout, checked before anything in it is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from contract.families import Sizes, TextEncoder
from contract.names import TEXT_ENCODER
from contract.parts import ModelPart
from contract.schedules import Diffusion
from export.checkpoints.clean_folder import WeightFiles, check_size, clean_folder, find_weights, read_config
from export.checkpoints.early_check import (
    INDEX_FILE,
    class_name_of,
    family_of_index,
    pipeline_of,
    read_index,
)
from export.checkpoints.fp8 import EIGHT_BITS, SCALES
from export.checkpoints.schedule_choice import SCHEDULER_FILE
from export.checkpoints.scheduler import read_diffusion
from export.errors import ExportError, first_line
from export.families.family import TorchFamily, torch_family

STORED = {"F16": torch.float16, "BF16": torch.bfloat16}
WHOLE = ("I64", "I32")  # types of position ids
FLOATS = ("F64", "F32", *STORED, "F8_E4M3", "F8_E5M2")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    folder: Path
    family: TorchFamily
    networks: Mapping[str, Any]  # by folder, of the family's classes
    diffusion: Diffusion

    def __post_init__(self) -> None:
        family, config, vae = self.family, self.denoiser.config, self.vae.config
        what = "UNet" if family.row.denoiser == "unet" else family.row.denoiser
        for name, wanted in family.denoiser_config.items():
            if config.get(name) != wanted:
                raise ExportError(
                    f"The {what}'s {name} is {config.get(name)}; {family.row.title} has {wanted}"
                )
        reads, made = config.get(family.text_width), max(self.text_widths.values())
        if reads != made and not (family.row.blank_tokens and isinstance(reads, int) and reads > made):
            raise ExportError(f"The {what} reads embeddings {reads} wide, the encoders make {made}")
        if family.channels(config) != {vae.latent_channels}:
            channels = f"{config.in_channels} input and {config.get('out_channels')} output channels"
            raise ExportError(
                f"The {what}'s {channels} and the VAE's {vae.latent_channels} differ; "
                "inpainting and edit models are not supported"
            )
        if vae.out_channels != 3:
            raise ExportError(f"The VAE makes {vae.out_channels} channels, not 3")

    @property
    def denoiser(self) -> Any:
        return self.networks[self.family.row.denoiser]

    @property
    def vae(self) -> Any:
        return self.networks["vae"]

    @property
    def text_encoders(self) -> Mapping[TextEncoder, Any]:
        return {one: self.networks[one.name] for one in self.family.row.text_encoders}

    @property
    def text_widths(self) -> Mapping[str, int]:
        """Of the embeddings of the text parts that make any."""
        found: dict[str, int] = {}
        for one, network in self.text_encoders.items():
            if one.layer != "none":
                found[one.part] = found.get(one.part, 0) + int(network.config.hidden_size)
        return found

    @cached_property
    def sizes(self) -> Sizes:
        config, networks = self.denoiser.config, self.text_encoders
        windows = [
            network.config.max_position_embeddings for one, network in networks.items() if not one.window
        ]
        return Sizes(
            width=int(config[self.family.text_width]),
            pooled=sum(_pooled_width(network) for one, network in networks.items() if one.pooled),
            window=min(map(int, windows), default=self.family.row.window(TEXT_ENCODER, 0)),
            channels=int(self.vae.config.latent_channels),
            widths=self.text_widths,
        )

    @property
    def parts(self) -> Mapping[str, ModelPart]:
        return self.family.row.parts(self.sizes)

    @property
    def downscale(self) -> int:
        """Pixels per latent, along one side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))


def _pooled_width(network: Any) -> int:
    projected = hasattr(network, "text_projection")
    return int(network.config.projection_dim if projected else network.config.hidden_size)


def open_checkpoint(
    folder: Path, *, as_stored: bool = False, diffusion: Diffusion | None = None, looked_at: bool = False
) -> Checkpoint:
    """With weights in fp32; or in their files' type, which takes no memory until they are used.

    `diffusion`: in place of what the folder's scheduler says; `looked_at`: it was opened before, so its
    values are known to be numbers and need not all be read for that again.

    Raises ExportError for anything but a whole folder of a known family with safetensors weights.
    """
    family = family_of(folder)
    return Checkpoint(
        folder=folder,
        family=family,
        networks={name: _load(folder / name, family, name, as_stored, looked_at) for name in family.networks},
        diffusion=diffusion or read_diffusion(folder / SCHEDULER_FILE, family.row),
    )


def family_of(folder: Path) -> TorchFamily:
    """By the folder's index, which must name every network as the family has it. Raises ExportError."""
    index = read_index(folder)
    family = torch_family(family_of_index(index, folder))
    for name, kind in family.networks.items():
        if class_name_of(index, name) != kind.__name__:
            raise ExportError(
                f"{folder / INDEX_FILE} must name {kind.__name__} as {name}; it is of {pipeline_of(index)}"
            )
    return family


def _load(folder: Path, family: TorchFamily, name: str, as_stored: bool, looked_at: bool) -> Any:
    kind, file = family.networks[name], family.weights_file(name)
    config, weights = read_config(folder, kind.__name__), find_weights(folder, file)
    check_size(folder, family.empty_network(name, config), weights)
    _check_types(folder, weights)
    try:
        with clean_folder(kind, config, weights, file) as clean:
            network, report = kind.from_pretrained(
                clean,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                **family.loader_options(name, _stored_type(weights) if as_stored else torch.float32),
            )
    except Exception as error:  # both libraries raise many kinds; the first line says which file and why
        raise ExportError(f"Cannot load {folder}: {first_line(error)}") from None
    # A weight that is not in the file would be left random without a word.
    wrong = [*report["missing_keys"], *report["mismatched_keys"]]
    if wrong:
        raise ExportError(f"{folder} lacks {len(wrong)} weights that its config asks for, such as {wrong[0]}")
    for weight in network.parameters():
        if weight.dtype in EIGHT_BITS:  # transformers leaves them as they are
            weight.data = weight.data.float()
    for key, weight in () if looked_at else network.named_parameters():
        if not torch.isfinite(weight).all():
            raise ExportError(f"{folder} holds values that are not finite numbers, in {key}")
    return network.eval().requires_grad_(False)


def _check_types(folder: Path, weights: WeightFiles) -> None:
    """A loader would take quantised weights for numbers as they stand. Raises ExportError."""
    for path in weights.paths.values():
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118, it is no mapping
                if key.endswith(SCALES):
                    raise ExportError(
                        f"{folder} holds 8-bit weights with scales, in {key}, which are read from single "
                        "files only; take fp16 weights, or the model in one file"
                    )
                if file.get_slice(key).get_dtype() not in FLOATS and not key.endswith("position_ids"):
                    raise ExportError(
                        f"{folder} holds whole numbers as weights, in {key}, as quantised models do; "
                        "take the file with fp16 or fp32 weights"
                    )


def _stored_type(weights: WeightFiles) -> torch.dtype:
    """fp16 or bf16 where all weights of the first file are, else fp32, which holds every other."""
    with safe_open(next(iter(weights.paths.values())), framework="pt") as file:
        kinds = {file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118, it is no mapping
    return next((kind for name, kind in STORED.items() if kinds <= {name, *WHOLE}), torch.float32)
