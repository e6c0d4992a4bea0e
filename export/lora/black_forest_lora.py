"""FLUX.1's LoRA layers in Black Forest Labs' names, as kohya and ComfyUI write them, and in x-flux's."""

import re
from collections.abc import Mapping

from export.families import black_forest_names as names
from export.lora.fused import LayerRows, Naming, side_by_side
from export.lora.keys import BIAS, flatten

IN_BLOCK = re.compile(r"(|.*_)(double_blocks|single_blocks)_(\d+)_(.+?)(_bias)?")
X_FLUX: Mapping[str, Mapping[str, str]] = {
    "double_blocks": {
        "processor_qkv_lora1": "img_attn_qkv",
        "processor_qkv_lora2": "txt_attn_qkv",
        "processor_proj_lora1": "img_attn_proj",
        "processor_proj_lora2": "txt_attn_proj",
    },
    "single_blocks": {"processor_proj": "linear2"},
}
"""x-flux's names of attention's layers, beside Black Forest Labs'."""
X_FLUX_QKV = "processor_qkv"
"""Of a single block: not of the whole of linear1, as all others'."""


def parts_of(flat: str) -> tuple[str, list[LayerRows]]:
    if match := IN_BLOCK.fullmatch(flat):
        prefix, kind, block, inner, bias = match.groups()
        stem, end = f"{names.BLOCKS[kind][0]}.{block}", BIAS if bias else ""
        return prefix, [
            LayerRows(f"{stem}.{part.path}{end}", part.strips, part.of) for part in _inside(kind, inner)
        ]
    layer, end = flat.removesuffix("_bias"), BIAS if flat.endswith("_bias") else ""
    for theirs, path in names.OUTSIDE.items():
        if layer.endswith(flatten(theirs)):
            halves = ((1, 2), (0, 1))
            swapped = theirs == names.SWAPPED
            part = LayerRows(path + end, halves, 2) if swapped else LayerRows(path + end)
            return layer.removesuffix(flatten(theirs)), [part]
    return "", []


def _inside(kind: str, inner: str) -> tuple[LayerRows, ...]:
    if kind == "single_blocks" and inner == X_FLUX_QKV:
        return side_by_side([f"attn.{one}" for one in names.QKV])
    inner = X_FLUX[kind].get(inner, inner)
    paths = {flatten(layer): paths for layer, paths in names.BLOCKS[kind][1].items()}.get(inner, ())
    return side_by_side(paths, last=names.MLP_RATIO if inner == "linear1" else 1)


BLACK_FOREST = Naming(
    re.compile(r"(^|_)(double_blocks_\d+_(img|txt|processor)|single_blocks_\d+)_"), parts_of
)
