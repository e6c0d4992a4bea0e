"""Stability's own names of the layers of SD 3's transformer, in which kohya's trainers write LoRA files.

Source: the conversion in diffusers' loaders/single_file_utils.py.
"""

from collections.abc import Collection, Iterator, Mapping

from export.lora.other_names import OtherName

OUTER = {
    "x_embedder.proj": "pos_embed.proj",
    "context_embedder": "context_embedder",
    "t_embedder.mlp.0": "time_text_embed.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "time_text_embed.timestep_embedder.linear_2",
    "y_embedder.mlp.0": "time_text_embed.text_embedder.linear_1",
    "y_embedder.mlp.2": "time_text_embed.text_embedder.linear_2",
    "final_layer.linear": "proj_out",
}
BLOCK: Mapping[str, tuple[str, ...]] = {
    "x_block.attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "x_block.attn.ln_q": ("attn.norm_q",),
    "x_block.attn.ln_k": ("attn.norm_k",),
    "x_block.attn.proj": ("attn.to_out.0",),
    "x_block.attn2.qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
    "x_block.attn2.ln_q": ("attn2.norm_q",),
    "x_block.attn2.ln_k": ("attn2.norm_k",),
    "x_block.attn2.proj": ("attn2.to_out.0",),
    "x_block.adaLN_modulation.1": ("norm1.linear",),
    "x_block.mlp.fc1": ("ff.net.0.proj",),
    "x_block.mlp.fc2": ("ff.net.2",),
    "context_block.attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "context_block.attn.ln_q": ("attn.norm_added_q",),
    "context_block.attn.ln_k": ("attn.norm_added_k",),
    "context_block.attn.proj": ("attn.to_add_out",),
    "context_block.adaLN_modulation.1": ("norm1_context.linear",),
    "context_block.mlp.fc1": ("ff_context.net.0.proj",),
    "context_block.mlp.fc2": ("ff_context.net.2",),
}
SWAPPED = "norm1_context.linear"
"""In the last block: diffusers has the scale before the shift there, Stability the shift before the scale. So
it is behind the blocks, too."""


def mmdit_names(paths: Collection[str]) -> Iterator[OtherName]:
    """Of every path of one transformer that has another name there."""
    for theirs, outer in OUTER.items():
        yield OtherName(theirs, (outer,))
    yield OtherName("final_layer.adaLN_modulation.1", ("norm_out.linear",), swapped=True)
    numbers = [int(path.split(".")[1]) for path in paths if path.startswith("transformer_blocks.")]
    for number in sorted(set(numbers)):
        for theirs, inner in BLOCK.items():
            ours = tuple(f"transformer_blocks.{number}.{path}" for path in inner)
            swapped = inner == (SWAPPED,) and number == max(numbers)
            yield OtherName(f"joint_blocks.{number}.{theirs}", ours, swapped)
