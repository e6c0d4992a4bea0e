"""An SDXL or SD 1.5 checkpoint in diffusers' folder layout, checked before anything in it is loaded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors import safe_open
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from export.checkpoints.scheduler import Schedule, read_schedule
from export.errors import ExportError, first_line

# The only classes that are ever loaded, whatever a checkpoint asks for: no remote code, no custom pipeline.
NETWORKS = {
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
    "unet": UNet2DConditionModel,
    "vae": AutoencoderKL,
}
STORED = {"F16": torch.float16, "BF16": torch.bfloat16}
WHOLE = ("I64", "I32")  # types of position ids
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    folder: Path
    text_encoder: CLIPTextModel
    text_encoder_2: CLIPTextModelWithProjection | None  # SD 1.5 has one only
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    schedule: Schedule

    def __post_init__(self) -> None:
        unet, vae = self.unet.config, self.vae.config
        wanted = "text_time" if self.text_encoder_2 else None
        if unet.addition_embed_type != wanted:
            raise ExportError(
                f"The UNet's addition_embed_type is {unet.addition_embed_type}; with as many text "
                f"encoders it must be {wanted} (SDXL has two and text_time, SD 1.5 one and none)"
            )
        if unet.cross_attention_dim != self.width:
            raise ExportError(
                f"The UNet reads embeddings {unet.cross_attention_dim} wide, the encoders make {self.width}"
            )
        if not unet.in_channels == unet.out_channels == vae.latent_channels:
            raise ExportError(
                f"The UNet's {unet.in_channels} input and {unet.out_channels} output channels and the VAE's "
                f"{vae.latent_channels} differ; inpainting and edit models are not supported"
            )
        if vae.out_channels != 3:
            raise ExportError(f"The VAE makes {vae.out_channels} channels, not 3")

    @property
    def width(self) -> int:
        """Of the embeddings of all text encoders together."""
        encoders = (self.text_encoder, self.text_encoder_2)
        return sum(int(encoder.config.hidden_size) for encoder in encoders if encoder)

    @property
    def pooled(self) -> int | None:
        """Width of the pooled text; None for SD 1.5, which takes none."""
        return int(self.text_encoder_2.config.projection_dim) if self.text_encoder_2 else None

    @property
    def tokenizers(self) -> dict[str, CLIPTextModel | CLIPTextModelWithProjection]:
        """Folder of each tokenizer, and the encoder that its tokens go to."""
        found = {"tokenizer": self.text_encoder, "tokenizer_2": self.text_encoder_2}
        return {name: encoder for name, encoder in found.items() if encoder}

    @property
    def window(self) -> int:
        return int(self.text_encoder.config.max_position_embeddings)

    @property
    def channels(self) -> int:
        return int(self.vae.config.latent_channels)

    @property
    def downscale(self) -> int:
        """Pixels per latent, along one side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))


def open_checkpoint(folder: Path, *, as_stored: bool = False) -> Checkpoint:
    """With weights in fp32; or in their files' type, which takes no memory until they are used.

    Raises ExportError for anything but a whole SDXL or SD 1.5 folder with safetensors weights.
    """
    names = networks_in(folder)
    loaded = {name: _load(folder / name, name, as_stored) if name in names else None for name in NETWORKS}
    return Checkpoint(
        folder=folder, schedule=read_schedule(folder / "scheduler" / "scheduler_config.json"), **loaded
    )


def networks_in(folder: Path) -> list[str]:
    """All of NETWORKS for SDXL; without text_encoder_2 for SD 1.5. Raises ExportError."""
    try:
        index = json.loads((folder / "model_index.json").read_bytes())
    except (OSError, ValueError):
        raise ExportError(
            f"{folder} is no diffusers checkpoint: it has no readable model_index.json"
        ) from None
    named = {name: _class_named(index, name) for name in NETWORKS}
    names = [name for name in NETWORKS if name != "text_encoder_2" or named.get(name)]
    for name in names:
        if named.get(name) != NETWORKS[name].__name__:
            raise ExportError(f"{folder / 'model_index.json'} must name {NETWORKS[name].__name__} as {name}")
    return names


def _class_named(index: Any, name: str) -> str | None:
    """The class in an entry ["diffusers", "UNet2DConditionModel"]; None for no entry, as for [null, null]."""
    entry = index.get(name) if isinstance(index, dict) else None
    return str(entry[1]) if isinstance(entry, list) and len(entry) == 2 and entry[1] else None


def empty_network(name: str, config: Mapping[str, Any]) -> Any:
    """One of NETWORKS with shapes only."""
    kind: Any = NETWORKS[name]
    with torch.device("meta"):
        if hasattr(kind, "from_config"):
            return kind.from_config(dict(config))
        return kind(kind.config_class(**config))


def _load(folder: Path, name: str, as_stored: bool) -> Any:
    variant = _variant(folder)
    kind: Any = NETWORKS[name]
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
