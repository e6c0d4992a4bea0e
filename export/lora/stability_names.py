"""Stability's own names of the SDXL UNet's layers, in which kohya's trainers write LoRA files for it.

A UNet there is input_blocks (conv_in, then every resnet and downsampler counted through), middle_block and
output_blocks. Source: the conversion in diffusers' convert_original_stable_diffusion_to_diffusers.py.
"""

import re
from collections.abc import Iterable

INNER = (
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("time_emb_proj", "emb_layers.1"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("conv_shortcut", "skip_connection"),
)
OUTER = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
MIDDLE = {"resnets.0": 0, "attentions.0": 1, "resnets.1": 2}
BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.?(.*)")


def sgm_names(paths: Iterable[str]) -> dict[str, str]:
    """diffusers' module path → Stability's, for every path of one UNet."""
    known = set(paths)
    down = [match for path in known if (match := BLOCK.fullmatch(path)) and match[1] == "down"]
    layers = 1 + max((int(match[4]) for match in down if match[3] == "resnets"), default=0)
    attentive = {path.partition(".attentions.")[0] for path in known if ".attentions." in path}
    return {path: name for path in known if (name := _sgm_name(path, layers, attentive)) is not None}


def _sgm_name(path: str, layers: int, attentive: set[str]) -> str | None:
    if path in OUTER:
        return OUTER[path]
    if path.startswith("mid_block."):
        _, kind, number, inner = path.split(".", 3)
        return f"middle_block.{MIDDLE[f'{kind}.{number}']}.{_inner(inner)}"
    match = BLOCK.fullmatch(path)
    if match is None:
        return None
    side, block, kind, number, inner = match.groups()
    # A down block counts its resnets and its downsampler; an up block has one resnet more, and its upsampler
    # goes with the last.
    first = int(block) * (layers + 1) + (side == "down")
    sgm_side = "input_blocks" if side == "down" else "output_blocks"
    if kind == "downsamplers":
        return f"{sgm_side}.{first + layers}.0.op"
    if kind == "upsamplers":
        return f"{sgm_side}.{first + layers}.{2 if f'up_blocks.{block}' in attentive else 1}.conv"
    return f"{sgm_side}.{first + int(number)}.{int(kind == 'attentions')}.{_inner(inner)}"


def _inner(path: str) -> str:
    return next((theirs for ours, theirs in INNER if ours == path), path)
