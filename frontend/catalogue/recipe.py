"""What the catalogue adds to a prompt, in a few digits."""

import hashlib

import msgspec

from frontend.catalogue.catalogue import Character, Model, Style


def recipe(model: Model, style: Style, character: Character | None, style_lora: str = "") -> str:
    """Digest of what the catalogue adds to a prompt: where it says something else, pictures are others.

    `style_lora`: SHA-256 of the style's LoRA, as Triton has told it.
    """
    settings = model.step_settings(style)
    parts = (
        settings.steps,
        settings.guidance,
        model.negative,
        model.quality,
        (style.positive, style.negative),
        (
            *(character.trigger, character.positive, character.negative, character.strength),
            *(character.blocks, character.depicts),  # a picture was judged by what was recorded
        )
        if character
        else None,
        *((style.lora, style.strength, style_lora) if style.lora else ()),
        *(({"sampler": settings.sampler, "spacing": settings.spacing},) if settings.is_chosen else ()),
    )
    return hashlib.blake2b(msgspec.msgpack.encode(parts, order="sorted"), digest_size=8).hexdigest()
