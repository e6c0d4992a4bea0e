"""Z-Image's own names of its transformer's layers, in which ComfyUI and some trainers write LoRA files.

Source: the conversion in diffusers' loaders/single_file_utils.py.
"""

import re
from collections.abc import Collection, Iterator, Mapping

from export.lora.other_names import OtherName

OUTER = {
    "x_embedder": "all_x_embedder.2-1",
    "final_layer.linear": "all_final_layer.2-1.linear",
    "final_layer.adaLN_modulation.1": "all_final_layer.2-1.adaLN_modulation.1",
}
BLOCK: Mapping[str, tuple[str, ...]] = {
    "attention.qkv": ("attention.to_q", "attention.to_k", "attention.to_v"),
    "attention.out": ("attention.to_out.0",),
    "attention.q_norm": ("attention.norm_q",),
    "attention.k_norm": ("attention.norm_k",),
}
IN_BLOCK = re.compile(r"((?:layers|noise_refiner|context_refiner)\.\d+)\.")


def z_image_names(paths: Collection[str]) -> Iterator[OtherName]:
    """Of every path of one transformer that has another name there."""
    for theirs, ours in OUTER.items():
        yield OtherName(theirs, (ours,))
    for block in sorted({found[1] for path in paths if (found := IN_BLOCK.match(path))}):
        for theirs, inner in BLOCK.items():
            yield OtherName(f"{block}.{theirs}", tuple(f"{block}.{path}" for path in inner))
