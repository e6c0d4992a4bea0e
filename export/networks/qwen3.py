"""Qwen3 as a text encoder that can be traced: the states that go into its last layer.

It looks back alone, so what fills a window behind a text changes nothing of the text's own states, and no mask
of the padding is needed.
"""

import torch
from torch import Tensor, nn
from transformers import Qwen3Model


class Qwen3States(nn.Module):
    """Tokens int64 [B, window] → [B, window, D], as transformers' hidden_states[-2]."""

    def __init__(self, network: Qwen3Model) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> Tensor:
        states: Tensor = self.network.embed_tokens(tokens)
        places = torch.arange(tokens.shape[1], device=tokens.device).unsqueeze(0)
        seen = places.unsqueeze(2) >= places.unsqueeze(1)
        turns = self.network.rotary_emb(states, places)
        for layer in self.network.layers[:-1]:
            states = layer(states, attention_mask=seen.unsqueeze(1), position_embeddings=turns)
        return states
