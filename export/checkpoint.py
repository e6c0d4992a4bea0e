"""An SDXL checkpoint in diffusers' folder layout, checked before anything in it is loaded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from export.errors import ExportError, first_line
from export.schedule import Schedule, read_schedule

# The only classes that are ever loaded, whatever a checkpoint asks for: no remote code, no custom pipeline.
NETWORKS = {
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
    "unet": UNet2DConditionModel,
    "vae": AutoencoderKL,
}
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    folder: Path
    text_encoder: CLIPTextModel
    text_encoder_2: CLIPTextModelWithProjection
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    schedule: Schedule

    def __post_init__(self) -> None:
        unet, vae = self.unet.config, self.vae.config
        if unet.addition_embed_type != "text_time":
            raise ExportError(
                "The UNet takes no pooled text and no time ids, so this is not an SDXL checkpoint"
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
        """Of the embeddings of both text encoders together."""
        return int(self.text_encoder.config.hidden_size + self.text_encoder_2.config.hidden_size)

    @property
    def pooled(self) -> int:
        return int(self.text_encoder_2.config.projection_dim)

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


def open_checkpoint(folder: Path) -> Checkpoint:
    """Raises ExportError for anything but a whole SDXL folder with safetensors weights."""
    _check_index(folder)
    return Checkpoint(
        folder=folder,
        schedule=read_schedule(folder / "scheduler" / "scheduler_config.json"),
        **{name: _load(folder / name, kind) for name, kind in NETWORKS.items()},
    )


def _check_index(folder: Path) -> None:
    try:
        index = json.loads((folder / "model_index.json").read_bytes())
    except (OSError, ValueError):
        raise ExportError(
            f"{folder} is no diffusers checkpoint: it has no readable model_index.json"
        ) from None
    for name, kind in NETWORKS.items():
        if not isinstance(index, dict) or (index.get(name) or [None, None])[1] != kind.__name__:
            raise ExportError(f"{folder / 'model_index.json'} must name {kind.__name__} as {name} (SDXL)")


def _load(folder: Path, kind: Any) -> Any:
    variant = _variant(folder)
    try:
        network, report = kind.from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            variant=variant,
            output_loading_info=True,
        )
    except Exception as error:  # both libraries raise many kinds; the first line says which file and why
        raise ExportError(f"Cannot load {folder}: {first_line(error)}") from None
    # A weight that is not in the file would be left random without a word.
    wrong = [*report["missing_keys"], *report["mismatched_keys"]]
    if wrong:
        raise ExportError(f"{folder} lacks {len(wrong)} weights that its config asks for, such as {wrong[0]}")
    return network.float().eval().requires_grad_(False)


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
