"""Qwen3 as a text encoder that can be traced: the states that go into its last layer."""

import torch
from torch import Tensor, nn
from transformers import Qwen3Model


class Qwen3States(nn.Module):
    """Tokens and which of them are text, both int64 [B, window] → [B, window, D], as transformers'
    hidden_states[-2]. Padding must be behind the text."""

    def __init__(self, network: Qwen3Model) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        states: Tensor = self.network.embed_tokens(tokens)
        places = torch.arange(tokens.shape[1], device=tokens.device).unsqueeze(0)
        seen = (places.unsqueeze(2) >= places.unsqueeze(1)) & (mask.unsqueeze(1) > 0)
        turns = self.network.rotary_emb(states, places)
        for layer in self.network.layers[:-1]:
            states = layer(states, attention_mask=seen.unsqueeze(1), position_embeddings=turns)
        return states
