"""FLUX.1's weights as Black Forest Labs' own code names them, from diffusers' names."""

import re
from collections.abc import Mapping

import torch

State = Mapping[str, torch.Tensor]
LONG: Mapping[str, str] = {"q": "query", "k": "key"}
OUTSIDE = (
    (r"^x_embedder", "img_in"),
    (r"^context_embedder", "txt_in"),
    (r"^time_text_embed\.timestep_embedder", "time_in"),
    (r"^time_text_embed\.text_embedder", "vector_in"),
    (r"^time_text_embed\.guidance_embedder", "guidance_in"),
    (r"linear_1", "in_layer"),
    (r"linear_2", "out_layer"),
    (r"^proj_out", "final_layer.linear"),
)
BLOCK = (
    (r"\.norm1\.linear", ".img_mod.lin"),
    (r"\.norm1_context\.linear", ".txt_mod.lin"),
    (r"\.attn\.norm_(added_)?([qk])\.weight", lambda m: f".{_side(m[1])}_attn.norm.{LONG[m[2]]}_norm.scale"),
    (r"\.attn\.to_out\.0", ".img_attn.proj"),
    (r"\.attn\.to_add_out", ".txt_attn.proj"),
    (r"\.ff\.net\.0\.proj", ".img_mlp.0"),
    (r"\.ff\.net\.2", ".img_mlp.2"),
    (r"\.ff_context\.net\.0\.proj", ".txt_mlp.0"),
    (r"\.ff_context\.net\.2", ".txt_mlp.2"),
    (r"^transformer_blocks", "double_blocks"),
)
SINGLE = (
    (r"\.attn\.norm_([qk])\.weight", lambda m: f".norm.{LONG[m[1]]}_norm.scale"),
    (r"\.norm\.linear", ".modulation.lin"),
    (r"\.proj_out", ".linear2"),
    (r"^single_transformer_blocks", "single_blocks"),
)


def black_forest_state(state: State, prefix: str) -> dict[str, torch.Tensor]:
    found = {}
    for key, value in state.items():
        if key.startswith("norm_out.linear"):
            scale, shift = value.chunk(2)
            name, value = f"final_layer.adaLN_modulation.1{key[15:]}", torch.cat([shift, scale])
        elif match := re.fullmatch(
            r"(single_)?transformer_blocks\.(\d+)\.attn\.(to|add)_q(_proj)?\.(.+)", key
        ):
            name, value = _fused(state, match)
        elif re.search(r"\.attn\.(to_[kv]|add_[kv]_proj)\.|\.proj_mlp\.", key):
            continue
        else:
            rules = SINGLE if key.startswith("single_") else BLOCK if key.startswith("trans") else OUTSIDE
            name = key
            for pattern, new in rules:
                name = re.sub(pattern, new, name)
        found[prefix + name] = value.contiguous()
    return found


def _fused(state: State, match: re.Match[str]) -> tuple[str, torch.Tensor]:
    single, block, side, end, kind = match.groups()
    stem = f"{single or ''}transformer_blocks.{block}"
    rows = [state[f"{stem}.attn.{side}_{one}{end or ''}.{kind}"] for one in "qkv"]
    if single:
        rows.append(state[f"{stem}.proj_mlp.{kind}"])
        return f"single_blocks.{block}.linear1.{kind}", torch.cat(rows)
    return f"double_blocks.{block}.{_side(side == 'add')}_attn.qkv.{kind}", torch.cat(rows)


def _side(of_text: object) -> str:
    return "txt" if of_text else "img"
