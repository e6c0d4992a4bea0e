"""Qwen3 as a text encoder that can be traced: the states that go into its last layer."""

import torch
from torch import Tensor
from transformers import Qwen3Model


def qwen3_states(network: Qwen3Model, tokens: Tensor, mask: Tensor) -> Tensor:
    """Tokens and which of them are text, both int64 [B, window] → [B, window, D]: transformers'
    hidden_states[-2], wherever there is text. Padding must be behind it."""
    states: Tensor = network.embed_tokens(tokens)
    places = torch.arange(tokens.shape[1], device=tokens.device).unsqueeze(0)
    seen = (places.unsqueeze(2) >= places.unsqueeze(1)) & (mask.unsqueeze(1) > 0)
    turns = network.rotary_emb(states, places)
    for layer in network.layers[:-1]:
        states = layer(states, attention_mask=seen.unsqueeze(1), position_embeddings=turns)
    return states
