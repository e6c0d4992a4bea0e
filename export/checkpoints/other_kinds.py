"""What a file or folder is that cannot be exported: by name, from its first bytes, keys and shapes alone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contract.families import FLUX_SCHNELL, SD3_CLIP, Z_IMAGE, family_titles
from contract.safetensors_header import BadSafetensors, SafetensorsHeader, read_header
from export.errors import ExportError
from export.single_file_keys import (
    ALONE,
    CLIP_PREFIX,
    COMFY_VAE_PREFIX,
    FLUX_PREFIX,
    OPEN_CLIP_PREFIX,
    SD3_PREFIX,
    TEXT_PREFIXES,
    UNET_PREFIX,
    VAE_PREFIX,
    Z_IMAGE_PREFIX,
    prefixes_of,
)

PICKLE = "it is a pickle, which can run code when it is loaded; convert it to safetensors first"
# By the first bytes of what is no safetensors file.
MAGIC = {
    b"GGUF": "it is GGUF, whose weights are quantised; take the .safetensors file of the model",
    b"PK\x03\x04": PICKLE,
    b"\x80\x02": PICKLE,
    b"\x80\x04": PICKLE,
    b"version https://git-lfs": "it is Git LFS' note of the file; fetch the file itself (git lfs pull)",
    b"<": "it is a web page, not the file; download it again",
}
# What else a file may be, by how some of its keys begin; the first that fits.
OTHERS = {
    "lora_": "a LoRA; `imgen character add` takes it",
    "cond_stage_model.model.": "Stable Diffusion 2",
    "conditioner.embedders.0.model.": "the SDXL refiner",
    "joint_blocks.": "Stable Diffusion 3's transformer alone",
    "text_encoders.t5xxl.": "Stable Diffusion 3 or FLUX",
    f"{UNET_PREFIX}distilled_guidance_layer.": "Chroma",
    "distilled_guidance_layer.": "Chroma",
    f"{UNET_PREFIX}double_blocks.0.img_mod.linear.": "HunyuanVideo",
    "double_blocks.0.img_mod.linear.": "HunyuanVideo",
    f"{UNET_PREFIX}double_blocks.": "another kind of FLUX",
    "double_blocks.": "another kind of FLUX",
    "single_transformer_blocks.": "a transformer of diffusers alone; export the folder that it belongs to",
    f"{UNET_PREFIX}double_layers.": "AuraFlow",
    f"{UNET_PREFIX}double_stream_blocks.": "HiDream",
    f"{UNET_PREFIX}cap_embedder.": "Lumina 2",
    "cap_embedder.": "Lumina 2",
    f"{UNET_PREFIX}txt_norm.": "Qwen-Image",
    "txt_norm.": "Qwen-Image",
    f"{UNET_PREFIX}clip_txt_mapper.": "Stable Cascade",
    f"{UNET_PREFIX}mlp_t5.": "Hunyuan-DiT",
    f"{UNET_PREFIX}patch_embedding.": "Wan",
    "patch_embedding.": "Wan",
    f"{UNET_PREFIX}input_blocks.1.0.time_stack.": "Stable Video Diffusion",
    "control_model.": "a ControlNet",
    "controlnet_cond_embedding.": "a ControlNet",
    "controlnet_": "a ControlNet",
    "input_hint_block.": "a ControlNet",
    "adapter.body.": "a T2I adapter",
    "image_proj.": "an IP-Adapter",
    "ip_adapter.": "an IP-Adapter",
    "emb_params": "a trained embedding",
    "clip_g": "a trained embedding",
    UNET_PREFIX: "a UNet without its text encoders",
    "down_blocks.": "a UNet of diffusers alone; export the folder that it belongs to",
    "conv_in.": "a UNet of diffusers alone; export the folder that it belongs to",
    VAE_PREFIX: "a VAE; --vae takes it",
    "decoder.": "a VAE; --vae takes it",
    "text_model.": "a text encoder",
}
REFINER_OR_2 = ("cond_stage_model.model.", "conditioner.embedders.0.model.")
# How keys of quantised weights end.
QUANTISED = {
    "bitsandbytes__nf4": "nf4 of bitsandbytes",
    "bitsandbytes__fp4": "fp4 of bitsandbytes",
    ".absmax": "bitsandbytes",
    ".SCB": "int8 of bitsandbytes",
    ".qweight": "GPTQ, AWQ or SVDQuant",
    ".weight._data": "quanto",
    ".weight_scale_2": "nvfp4",
}
CHANNELS = {
    5: "a model of depth pictures",
    7: "an upscaler",
    8: "an edit model (as instruct-pix2pix and CosXL Edit are)",
    9: "an inpainting model",
}
"""What a UNet's input is for that has more channels than the latents."""
FLUX_INPUTS = 64  # values of four latents
FLUX_CHANNELS = {
    128: "FLUX.1 Depth or Canny, which draws from another picture",
    384: "FLUX.1 Fill, an inpainting model",
}


def open_header(path: Path) -> SafetensorsHeader:
    """Raises ExportError."""
    try:
        return read_header(path)
    except OSError as error:
        raise ExportError(f"Cannot read {path}: {error.strerror}") from None
    except BadSafetensors as error:
        raise ExportError(f"Cannot read {path}: {_by_magic(path) or error}") from None


@dataclass(frozen=True)
class Place:
    """Where a network's weights are."""

    path: Path
    prefix: str  # how their keys begin there


@dataclass(frozen=True)
class Files:
    """A single file and those of the text encoders that are published beside it."""

    path: Path
    header: SafetensorsHeader  # of all together, with keys as in one file of Stability's
    places: Mapping[str, Place]  # of those that are elsewhere or have other keys, by how these begin there

    def place(self, prefix: str) -> Place:
        return self.places.get(prefix, Place(self.path, prefix))

    @property
    def keys(self) -> Collection[str]:
        return self.header.shapes.keys()


def open_files(path: Path, text_encoders: Sequence[Path] = ()) -> Files:
    """Raises ExportError."""
    header, beside = open_header(path), {str(one): open_header(one) for one in text_encoders}
    places: dict[str, Place] = {}
    if any(begins(header.shapes, key) for key in ALONE):
        header, places[UNET_PREFIX] = header.named("", UNET_PREFIX), Place(path, "")
    elif begins(header.shapes, COMFY_VAE_PREFIX):
        header = header.named(COMFY_VAE_PREFIX, VAE_PREFIX)
        places[VAE_PREFIX] = Place(path, COMFY_VAE_PREFIX)
    for name, prefix in prefixes_of({name: one.shapes for name, one in beside.items()}).items():
        if not prefix:
            raise ExportError(f"{name} is no text encoder that is published in a file of its own")
        if prefix in places or begins(header.shapes, prefix):
            raise ExportError(f"{name} is a text encoder that is there already ({prefix.split('.')[1]})")
        header = header.beside(beside[name], prefix)
        places[prefix] = Place(Path(name), "")
    return Files(path, header, places)


def _by_magic(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        begin = file.read(64).lstrip()
    return next((what for magic, what in MAGIC.items() if begin.startswith(magic)), None)


def describe_other(path: Path, keys: Collection[str]) -> str:
    """Of a single file that no family knows."""
    for prefix, kind in OTHERS.items():
        if begins(keys, prefix):
            return f"{path} is {kind}; only {family_titles()} can be exported"
    return f"{path} is no {family_titles()} checkpoint: it lacks the text encoders' or denoiser's keys"


def check_file(path: Path, header: SafetensorsHeader, has_vae: bool) -> None:
    """`has_vae`: whether another is given. Raises ExportError; what passes may be refused later."""
    keys = header.shapes.keys()
    check_quantised(path, keys)
    if begins(keys, SD3_PREFIX):
        _check_parts(path, keys, TEXT_PREFIXES[SD3_CLIP.name], has_vae)
        return
    if begins(keys, FLUX_PREFIX):
        _check_flux(path, header)
        _check_parts(path, keys, TEXT_PREFIXES[FLUX_SCHNELL.name], has_vae)
        return
    if begins(keys, Z_IMAGE_PREFIX):
        if begins(keys, f"{UNET_PREFIX}siglip_"):
            raise ExportError(f"{path} is Z-Image Omni, which draws from other pictures; not supported")
        _check_parts(path, keys, TEXT_PREFIXES[Z_IMAGE.name], has_vae)
        return
    encoders = any(begins(keys, prefix) for prefix in (OPEN_CLIP_PREFIX, CLIP_PREFIX))
    refiner = any(begins(keys, prefix) for prefix in REFINER_OR_2)
    if not begins(keys, f"{UNET_PREFIX}input_blocks.") or not encoders or refiner:
        raise ExportError(describe_other(path, keys))
    first = header.shapes.get(f"{UNET_PREFIX}input_blocks.0.0.weight", ())
    if len(first) == 4:
        check_channels(path, first[1])
    if any(".cond_proj." in key for key in keys if key.startswith(UNET_PREFIX)):
        raise ExportError(f"{path} is {GUIDANCE_INSIDE}")
    if begins(keys, OPEN_CLIP_PREFIX) and not begins(keys, f"{OPEN_CLIP_PREFIX}text_projection"):
        raise ExportError(
            f"{path} lacks its second text encoder's projection ({OPEN_CLIP_PREFIX}text_projection); "
            "take a file of the model that is whole"
        )
    if not has_vae and not begins(keys, f"{VAE_PREFIX}decoder."):
        raise ExportError(f"{path} has no VAE; {SAY_VAE}")


def _check_flux(path: Path, header: SafetensorsHeader) -> None:
    """Raises ExportError for its relatives that draw from other pictures."""
    channels = (header.shapes.get(f"{UNET_PREFIX}img_in.weight") or (FLUX_INPUTS,))[-1]
    if channels != FLUX_INPUTS:
        kind = FLUX_CHANNELS.get(channels, "an edit model")
        raise ExportError(f"{path} is {kind}: its transformer takes {channels} channels; not supported")


def _check_parts(path: Path, keys: Collection[str], texts: Sequence[str], has_vae: bool) -> None:
    """Of a file whose text encoders may be beside it. Raises ExportError."""
    for prefix in texts:
        if not begins(keys, prefix):
            raise ExportError(f"{path} lacks the text encoder {prefix.split('.')[1]}; {SAY_TEXT_ENCODERS}")
    if not has_vae and not begins(keys, f"{VAE_PREFIX}decoder."):
        raise ExportError(f"{path} has no VAE; {SAY_VAE}")


SAY_TEXT_ENCODERS = "name the files that are published beside it: --text-encoder FILE for each"
SAY_VAE = "name the file of one, of the same family: --vae FILE"
GUIDANCE_INSIDE = (
    "a consistency model whose guidance is an input of its UNet (time_cond_proj_dim): not supported"
)


def check_channels(path: Path, channels: int) -> None:
    """`channels`: of the UNet's input. Raises ExportError for those of known kinds that are not supported."""
    if channels in CHANNELS:
        raise ExportError(
            f"{path} is {CHANNELS[channels]}: its UNet takes {channels} channels; not supported"
        )


def check_quantised(path: Path, keys: Collection[str]) -> None:
    """Raises ExportError."""
    for key in keys:
        for end, kind in QUANTISED.items():
            if key.endswith(end):
                raise ExportError(
                    f"{path} holds quantised weights ({kind}: {key}); take the file with fp16 or fp32 weights"
                )


def check_unet_config(path: Path, config: Mapping[str, object]) -> None:
    """`config`: a UNet's; `path`: of its checkpoint. Raises ExportError."""
    channels = config.get("in_channels")
    if isinstance(channels, int):
        check_channels(path, channels)
    if config.get("time_cond_proj_dim"):
        raise ExportError(f"{path} is {GUIDANCE_INSIDE}")


def begins(keys: Collection[str], prefix: str) -> bool:
    return any(key.startswith(prefix) for key in keys)
