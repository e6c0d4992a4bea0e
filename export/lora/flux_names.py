"""Names of the layers of FLUX.1's transformer in LoRA files: Black Forest Labs' own, which kohya's trainer
and ComfyUI write, and x-flux's of attention's layers.

Source: the conversions in diffusers' loaders/lora_conversion_utils.py.
"""

from collections.abc import Collection, Iterator, Mapping

from export.families.black_forest_names import BLOCKS, OUTSIDE, QKV, SWAPPED
from export.lora.other_names import OtherName

X_FLUX: Mapping[str, Mapping[str, str]] = {
    "double_blocks": {
        "processor.qkv_lora1": "img_attn.qkv",
        "processor.qkv_lora2": "txt_attn.qkv",
        "processor.proj_lora1": "img_attn.proj",
        "processor.proj_lora2": "txt_attn.proj",
    },
    "single_blocks": {"processor.proj": "linear2"},
}
X_FLUX_QKV = "processor.qkv"
"""Of a single block: of queries, keys and values alone, where Black Forest Labs' layer makes more."""


def flux_names(paths: Collection[str]) -> Iterator[OtherName]:
    """Of every path of one transformer that has another name there."""
    for theirs, path in OUTSIDE.items():
        yield OtherName(theirs, (path,), swapped=theirs == SWAPPED)
    for blocks, (ours, layers) in BLOCKS.items():
        known = {**layers, **{one: layers[same] for one, same in X_FLUX[blocks].items()}}
        if blocks == "single_blocks":
            known[X_FLUX_QKV] = tuple(f"attn.{one}" for one in QKV)
        numbers = {path.split(".")[1] for path in paths if path.startswith(f"{ours}.")}
        for number in sorted(numbers, key=int):
            for theirs, inner in known.items():
                stem = f"{ours}.{number}"
                yield OtherName(f"{blocks}.{number}.{theirs}", tuple(f"{stem}.{one}" for one in inner))
