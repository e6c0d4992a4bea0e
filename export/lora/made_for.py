"""Which base a LoRA was made for, by names and sizes in it: for the line that says why it does not fit."""

import re
from collections.abc import Mapping

from contract.families import SD15, SDXL, Z_IMAGE, Family
from export.lora.keys import LayerKeys

OTHER = {
    re.compile(r"(?:.*_)?(?:layers|refiner)_\d+_(?:attention|feed_forward|adaLN)_"): Z_IMAGE.title,
    re.compile(r"(?:.*_)?(?:double|single)_blocks_"): "FLUX",
    re.compile(r"(?:.*_)?single_transformer_blocks_"): "FLUX",
    re.compile(r"(?:.*_)?joint_blocks_"): "SD 3",
    re.compile(r"lora_te3_|text_encoder_3_|(?:base_model_model_)?transformer_blocks_"): "SD 3 or FLUX",
    re.compile(r"(?:lora_)?transformer_(?!blocks_)"): "SD 3 or FLUX",
    re.compile(r"lora_prior_"): "Stable Cascade",
}
"""How a flat name begins → models of other kinds than those whose names follow."""
OF_SDXL = re.compile(
    r"lora_te2_|te2_|text_encoder_2_|(?:text_encoders_)?clip_g_|.*_(?:label_emb|add_embedding)_"
    r"|.*_attentions_\d_transformer_blocks_[1-9]|.*(?:put_blocks_\d|middle_block)_1_transformer_blocks_[1-9]"
)
OF_SD = re.compile(
    r".*(?:down_blocks_0_attentions|up_blocks_3_attentions|input_blocks_[12]_1|output_blocks_(?:9|1\d)_1)_"
)
WIDTHS = {768: SD15.title, 1024: "SD 2", 2048: SDXL.title}  # of the text that a UNet attends to


def made_for(layers: Mapping[str, LayerKeys], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """A family's title; empty where nothing says it. `layers` by their flat names."""
    for flat in layers:
        if other := next((title for pattern, title in OTHER.items() if pattern.match(flat)), ""):
            return other
    width = next((width for flat in layers if (width := _text_width(flat, layers[flat], shapes))), 0)
    if any(map(OF_SDXL.match, layers)):
        return SDXL.title
    if any(map(OF_SD.match, layers)):
        return "SD 2" if width == 1024 else SD15.title
    return WIDTHS.get(width, "")


def advise(found: str, base: Family) -> str:
    """What to do where layers have no target or another size; `found` as of made_for."""
    if found and not base.title.startswith(tuple(found.split(" or "))):
        return f"it was made for {found}, and this model is {base.title}: add it to one of its own kind"
    return f"it was made for another model than this {base.title}: add it to the one that it was trained on"


def _text_width(flat: str, keys: LayerKeys, shapes: Mapping[str, tuple[int, ...]]) -> int:
    if not re.search(r"attn2_(?:processor_)?to_[kv]$", flat) or "down" not in keys.roles:
        return 0
    shape = shapes[keys.roles["down"]]
    return shape[1] if len(shape) > 1 else 0
