"""How the keys of a checkpoint in one file begin, in Stability's words."""

from collections.abc import Mapping

from contract.families import SD15, SDXL

UNET_PREFIX, VAE_PREFIX = "model.diffusion_model.", "first_stage_model."
OPEN_CLIP_PREFIX, CLIP_PREFIX = "conditioner.embedders.1.model.", "cond_stage_model.transformer."
"""The same of SDXL's second text encoder, and of SD 1.5's only one."""
SINGLE_FILES: Mapping[str, str] = {SDXL.name: OPEN_CLIP_PREFIX, SD15.name: CLIP_PREFIX}
"""By family: how some keys of its single files begin, and of no other's."""
