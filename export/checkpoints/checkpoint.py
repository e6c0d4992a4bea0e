"""A checkpoint of a known family in diffusers' folder layout, checked before anything in it is loaded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from contract.families import Sizes, TextEncoder, family_titles
from contract.parts import ModelPart
from contract.schedules import Diffusion
from export.checkpoints.scheduler import read_diffusion
from export.errors import ExportError, first_line
from export.families.family import TorchFamily, torch_families

STORED = {"F16": torch.float16, "BF16": torch.bfloat16}
WHOLE = ("I64", "I32")  # types of position ids
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
INDEX_FILE = "model_index.json"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    folder: Path
    family: TorchFamily
    networks: Mapping[str, Any]  # by folder, of the family's classes
    diffusion: Diffusion

    def __post_init__(self) -> None:
        unet, vae = self.unet.config, self.vae.config
        for name, wanted in self.family.unet_config.items():
            if unet.get(name) != wanted:
                title = self.family.row.title
                raise ExportError(f"The UNet's {name} is {unet.get(name)}; {title} has {wanted}")
        reads, made = unet.cross_attention_dim, self.sizes.width
        if reads != made:
            raise ExportError(f"The UNet reads embeddings {reads} wide, the encoders make {made}")
        if not unet.in_channels == unet.out_channels == vae.latent_channels:
            raise ExportError(
                f"The UNet's {unet.in_channels} input and {unet.out_channels} output channels and the VAE's "
                f"{vae.latent_channels} differ; inpainting and edit models are not supported"
            )
        if vae.out_channels != 3:
            raise ExportError(f"The VAE makes {vae.out_channels} channels, not 3")

    @property
    def unet(self) -> Any:
        return self.networks["unet"]

    @property
    def vae(self) -> Any:
        return self.networks["vae"]

    @property
    def text_encoders(self) -> Mapping[TextEncoder, Any]:
        return {one: self.networks[one.name] for one in self.family.row.text_encoders}

    @cached_property
    def sizes(self) -> Sizes:
        configs = {one: network.config for one, network in self.text_encoders.items()}
        return Sizes(
            width=sum(int(config.hidden_size) for config in configs.values()),
            pooled=sum(int(config.projection_dim) for one, config in configs.items() if one.pooled),
            window=min(int(config.max_position_embeddings) for config in configs.values()),
            channels=int(self.vae.config.latent_channels),
        )

    @property
    def parts(self) -> Mapping[str, ModelPart]:
        return self.family.row.parts(self.sizes)

    @property
    def downscale(self) -> int:
        """Pixels per latent, along one side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))


def open_checkpoint(folder: Path, *, as_stored: bool = False) -> Checkpoint:
    """With weights in fp32; or in their files' type, which takes no memory until they are used.

    Raises ExportError for anything but a whole folder of a known family with safetensors weights.
    """
    family = family_of(folder)
    return Checkpoint(
        folder=folder,
        family=family,
        networks={name: _load(folder / name, kind, as_stored) for name, kind in family.networks.items()},
        diffusion=read_diffusion(folder / "scheduler" / "scheduler_config.json"),
    )


def family_of(folder: Path) -> TorchFamily:
    """By the pipeline that the folder's index names, else by its text encoders. Raises ExportError."""
    try:
        index = json.loads((folder / INDEX_FILE).read_bytes())
    except (OSError, ValueError):
        raise ExportError(f"{folder} is no diffusers checkpoint: it has no readable {INDEX_FILE}") from None
    index = index if isinstance(index, dict) else {}
    pipeline = index.get("_class_name")
    encoders = {name for name in index if name.startswith("text_encoder") and _class_name_of(index, name)}
    known = torch_families()
    found = [family for family in known if family.row.pipeline == pipeline] or [
        family for family in known if {one.name for one in family.row.text_encoders} == encoders
    ]
    if not found:
        raise ExportError(f"{folder / INDEX_FILE} names no checkpoint of {family_titles()}")
    for name, kind in found[0].networks.items():
        if _class_name_of(index, name) != kind.__name__:
            raise ExportError(f"{folder / INDEX_FILE} must name {kind.__name__} as {name}")
    return found[0]


def _class_name_of(index: Mapping[str, Any], name: str) -> str | None:
    """The class in an entry ["diffusers", "UNet2DConditionModel"]; None for no entry, as for [null, null]."""
    entry = index.get(name)
    return str(entry[1]) if isinstance(entry, list) and len(entry) == 2 and entry[1] else None


def _load(folder: Path, kind: Any, as_stored: bool) -> Any:
    variant = _variant(folder)
    try:
        network, report = kind.from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            variant=variant,
            output_loading_info=True,
            **{_type_option(kind): _stored_type(folder, variant) if as_stored else torch.float32},
        )
    except Exception as error:  # both libraries raise many kinds; the first line says which file and why
        raise ExportError(f"Cannot load {folder}: {first_line(error)}") from None
    # A weight that is not in the file would be left random without a word.
    wrong = [*report["missing_keys"], *report["mismatched_keys"]]
    if wrong:
        raise ExportError(f"{folder} lacks {len(wrong)} weights that its config asks for, such as {wrong[0]}")
    for key, weight in network.named_parameters():
        if not torch.isfinite(weight).all():
            raise ExportError(f"{folder} holds values that are not finite numbers, in {key}")
    return network.eval().requires_grad_(False)


def _type_option(kind: Any) -> str:
    """transformers has renamed it, diffusers has not."""
    return "dtype" if kind.__module__.startswith("transformers") else "torch_dtype"


def _stored_type(folder: Path, variant: str | None) -> torch.dtype:
    """fp16 or bf16 where all weights of the first file are, else fp32, which holds every other."""
    files = [path for path in sorted(folder.glob("*.safetensors")) if (".fp16" in path.name) == bool(variant)]
    with safe_open(files[0], framework="pt") as file:
        kinds = {file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118, it is no mapping
    return next((kind for name, kind in STORED.items() if kinds <= {name, *WHOLE}), torch.float32)


def _variant(folder: Path) -> str | None:
    """Which weight files to load. Raises ExportError where there are none, or only pickles."""
    names = [path.name for path in folder.glob("*.safetensors")]
    if any(".fp16" not in name for name in names):
        return None
    if names:
        return "fp16"
    for path in sorted(folder.glob("*")):
        if path.suffix in PICKLES:
            raise ExportError(
                f"{path} is a pickle, which can run code when it is loaded; convert it to safetensors first"
            )
    raise ExportError(f"{folder} has no .safetensors weights")
