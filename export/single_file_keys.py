"""How the keys of a checkpoint in one file begin, in Stability's words, and of text encoders beside it."""

from collections.abc import Mapping

from contract.families import FLUX_DEV, FLUX_SCHNELL, SD3, SD3_CLIP, SD15, SDXL, Z_IMAGE, Z_IMAGE_TURBO

UNET_PREFIX, VAE_PREFIX, COMFY_VAE_PREFIX = "model.diffusion_model.", "first_stage_model.", "vae."
OPEN_CLIP_PREFIX, CLIP_PREFIX = "conditioner.embedders.1.model.", "cond_stage_model.transformer."
"""The same of SDXL's second text encoder, and of SD 1.5's only one."""
CLIP_L_PREFIX, CLIP_G_PREFIX, T5_PREFIX, QWEN_PREFIX = (
    f"text_encoders.{name}.transformer." for name in ("clip_l", "clip_g", "t5xxl", "qwen3_4b")
)
"""Of text encoders that are published apart, where a file holds them too."""
SD3_PREFIX = f"{UNET_PREFIX}joint_blocks."
FLUX_KEY = "double_blocks.0.img_mod.lin."
"""Of FLUX.1's transformer and no relative's, in a file of its own."""
FLUX_PREFIX = f"{UNET_PREFIX}{FLUX_KEY}"
Z_IMAGE_KEY = "cap_pad_token"
"""Likewise of Z-Image's."""
Z_IMAGE_PREFIX = f"{UNET_PREFIX}{Z_IMAGE_KEY}"
ALONE = (FLUX_KEY, Z_IMAGE_KEY)
"""Of transformers' own files, without what stands before their keys elsewhere."""
SINGLE_FILES: Mapping[str, tuple[str, ...]] = {
    SDXL.name: (OPEN_CLIP_PREFIX,),
    SD15.name: (CLIP_PREFIX,),
    SD3.name: (SD3_PREFIX, T5_PREFIX),
    SD3_CLIP.name: (SD3_PREFIX,),
    FLUX_DEV.name: (FLUX_PREFIX, f"{UNET_PREFIX}guidance_in."),
    FLUX_SCHNELL.name: (FLUX_PREFIX,),
    **dict.fromkeys((Z_IMAGE.name, Z_IMAGE_TURBO.name), (Z_IMAGE_PREFIX,)),
}
"""By family: how some keys of its single files begin; the first family of which all are there is it."""
TEXT_PREFIXES: Mapping[str, tuple[str, ...]] = {
    SD3.name: (CLIP_L_PREFIX, CLIP_G_PREFIX, T5_PREFIX),
    SD3_CLIP.name: (CLIP_L_PREFIX, CLIP_G_PREFIX),
    FLUX_DEV.name: (CLIP_L_PREFIX, T5_PREFIX),
    FLUX_SCHNELL.name: (CLIP_L_PREFIX, T5_PREFIX),
    **dict.fromkeys((Z_IMAGE.name, Z_IMAGE_TURBO.name), (QWEN_PREFIX,)),
}
"""By family, of those whose text encoders may be in files of their own: how their keys begin."""
T5_KEY = "encoder.block.0.layer.0.SelfAttention.q.weight"
QWEN_KEY = "model.layers.0.self_attn.q_norm.weight"
CLIP_KEY = "text_model.embeddings.token_embedding.weight"
"""Of a text encoder's own file."""
CLIP_G_WIDTH = 1280


def prefixes_of(files: Mapping[str, Mapping[str, tuple[int, ...]]]) -> dict[str, str]:
    """`files`: shapes by key of text encoders' own files → how their keys would begin in one file. Of two
    CLIPs the narrower is L; a single one is G if it is as wide as that was published. "": no text encoder.
    """
    alone = {T5_KEY: T5_PREFIX, QWEN_KEY: QWEN_PREFIX}
    found = {
        name: next((prefix for key, prefix in alone.items() if key in shapes), "")
        for name, shapes in files.items()
    }
    clips = sorted((shapes[CLIP_KEY][-1], name) for name, shapes in files.items() if shapes.get(CLIP_KEY))
    for number, (width, name) in enumerate(clips):
        found[name] = (
            CLIP_G_PREFIX if number or (len(clips) == 1 and width == CLIP_G_WIDTH) else CLIP_L_PREFIX
        )
    return found
