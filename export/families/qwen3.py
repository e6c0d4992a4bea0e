"""Qwen3 as a text encoder that can be traced: the states that go into its last layer."""

import torch
from torch import Tensor
from transformers import Qwen3Model

from export.errors import ExportError


def qwen3_states(network: Qwen3Model, tokens: Tensor, mask: Tensor) -> Tensor:
    """Tokens and which of them are text, both int64 [B, window] → [B, window, D]: transformers'
    hidden_states[-2], wherever there is text. Padding must be behind it. Raises ExportError."""
    if network.has_sliding_layers:
        raise ExportError("A Qwen3 that looks back over a window of tokens alone is not supported")
    states: Tensor = network.embed_tokens(tokens)
    places = torch.arange(tokens.shape[1], device=tokens.device).unsqueeze(0)
    seen = (places.unsqueeze(2) >= places.unsqueeze(1)) & (mask.unsqueeze(1) > 0)
    turns, bias = network.rotary_emb(states, places), attention_bias(seen.unsqueeze(1), states.dtype)
    for layer in network.layers[:-1]:
        layer.self_attn.scaling = None  # torch's own is the same, and is traced in every type
        states = layer(states, attention_mask=bias, position_embeddings=turns)
    return states


def attention_bias(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to attention's scores, for a mask: of booleans, graphs of 16 bits cannot be written."""
    return torch.zeros_like(seen, dtype=dtype).masked_fill(~seen, -torch.inf)
