"""How the keys of a checkpoint in files begin: in Stability's words, Black Forest Labs' and ComfyUI's."""

from collections.abc import Mapping
from dataclasses import dataclass

from contract.families import FLUX_DEV, FLUX_SCHNELL, SD15, SDXL

UNET_PREFIX, VAE_PREFIX = "model.diffusion_model.", "first_stage_model."
VAE_PREFIXES = (VAE_PREFIX, "vae.")
OPEN_CLIP_PREFIX, CLIP_PREFIX = "conditioner.embedders.1.model.", "cond_stage_model.transformer."
"""The same of SDXL's second text encoder, and of SD 1.5's only one."""
CLIP_LAYER, T5_LAYER = "text_model.encoder.layers.0.", "encoder.block.0."


@dataclass(frozen=True)
class NetworkKeys:
    """Of one network. They are told by how they begin without the network's prefix."""

    prefixes: tuple[str, ...]  # in a file with other networks; "": in none
    layer: str = ""  # how some of them go on, whichever prefix there is
    kind: str = ""  # class of a text encoder that may have a file of its own


@dataclass(frozen=True, kw_only=True)
class FileKeys:
    """Of one family's checkpoints."""

    networks: Mapping[str, NetworkKeys]  # by folder; in diffusers' layout: all that there are
    marks: tuple[str, ...]  # how some of the denoiser's keys go on, all of these in files of this family
    beside: str = ""  # how others begin, in files of this family alone


def _flux(*marks: str) -> FileKeys:
    return FileKeys(
        networks={
            "text_encoder": NetworkKeys(("text_encoders.clip_l.transformer.",), CLIP_LAYER, "CLIPTextModel"),
            "text_encoder_2": NetworkKeys(("text_encoders.t5xxl.transformer.",), T5_LAYER, "T5EncoderModel"),
            "transformer": NetworkKeys((UNET_PREFIX, "")),
            "vae": NetworkKeys(VAE_PREFIXES, "decoder."),
        },
        marks=("double_blocks.0.img_mod.lin.", "vector_in.", *marks),
    )


FILES: Mapping[str, FileKeys] = {
    SDXL.name: FileKeys(
        networks={
            "text_encoder": NetworkKeys(("conditioner.embedders.0.transformer.",)),
            "text_encoder_2": NetworkKeys((OPEN_CLIP_PREFIX,)),
            "unet": NetworkKeys((UNET_PREFIX,)),
            "vae": NetworkKeys((VAE_PREFIX,), "decoder."),
        },
        marks=("input_blocks.",),
        beside=OPEN_CLIP_PREFIX,
    ),
    SD15.name: FileKeys(
        networks={
            "text_encoder": NetworkKeys((CLIP_PREFIX,)),
            "unet": NetworkKeys((UNET_PREFIX,)),
            "vae": NetworkKeys((VAE_PREFIX,), "decoder."),
        },
        marks=("input_blocks.",),
        beside=CLIP_PREFIX,
    ),
    FLUX_DEV.name: _flux("guidance_in."),
    FLUX_SCHNELL.name: _flux(),
}
"""By family; the first that fits is that of a file."""
