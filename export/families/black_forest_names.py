"""Black Forest Labs' own names of FLUX.1's layers, in which single files and most LoRA files are written.

Some of their layers are several of diffusers', whose rows lie one below the other. Needs no torch.
Source: the published configs and code of FLUX.1, and diffusers' conversion of its checkpoints.
"""

import re
from collections.abc import Mapping

QKV = ("to_q", "to_k", "to_v")
ADDED_QKV = ("add_q_proj", "add_k_proj", "add_v_proj")
IN_DOUBLE: Mapping[str, tuple[str, ...]] = {
    "img_mod.lin": ("norm1.linear",),
    "txt_mod.lin": ("norm1_context.linear",),
    "img_attn.qkv": tuple(f"attn.{one}" for one in QKV),
    "txt_attn.qkv": tuple(f"attn.{one}" for one in ADDED_QKV),
    "img_attn.norm.query_norm": ("attn.norm_q",),
    "img_attn.norm.key_norm": ("attn.norm_k",),
    "txt_attn.norm.query_norm": ("attn.norm_added_q",),
    "txt_attn.norm.key_norm": ("attn.norm_added_k",),
    "img_attn.proj": ("attn.to_out.0",),
    "txt_attn.proj": ("attn.to_add_out",),
    "img_mlp.0": ("ff.net.0.proj",),
    "img_mlp.2": ("ff.net.2",),
    "txt_mlp.0": ("ff_context.net.0.proj",),
    "txt_mlp.2": ("ff_context.net.2",),
}
IN_SINGLE: Mapping[str, tuple[str, ...]] = {
    "modulation.lin": ("norm.linear",),
    "linear1": (*(f"attn.{one}" for one in QKV), "proj_mlp"),
    "linear2": ("proj_out",),
    "norm.query_norm": ("attn.norm_q",),
    "norm.key_norm": ("attn.norm_k",),
}
BLOCKS = {
    "double_blocks": ("transformer_blocks", IN_DOUBLE),
    "single_blocks": ("single_transformer_blocks", IN_SINGLE),
}
OUTSIDE: Mapping[str, str] = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    "time_in.in_layer": "time_text_embed.timestep_embedder.linear_1",
    "time_in.out_layer": "time_text_embed.timestep_embedder.linear_2",
    "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",
    "guidance_in.in_layer": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in.out_layer": "time_text_embed.guidance_embedder.linear_2",
    "final_layer.linear": "proj_out",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
}
SWAPPED = "final_layer.adaLN_modulation.1"
"""The one layer whose halves change places: shift, then scale; diffusers has scale, then shift."""
_IN_BLOCK = re.compile(r"(double_blocks|single_blocks)\.(\d+)\.(.+)")


def diffusers_names(layer: str) -> tuple[str, ...]:
    """Of the layers whose rows are those of `layer`, in this order; none for a layer that FLUX.1 has not.

    double_blocks.3.img_attn.proj → transformer_blocks.3.attn.to_out.0
    """
    if layer in OUTSIDE:
        return (OUTSIDE[layer],)
    found = _IN_BLOCK.fullmatch(layer)
    if found is None:
        return ()
    blocks, inner = BLOCKS[found[1]]
    return tuple(f"{blocks}.{found[2]}.{name}" for name in inner.get(found[3], ()))
