"""A checkpoint's CLIP text encoders as one network."""

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, PretrainedConfig


class TextEncoder(nn.Module):
    """Tokens int64 [B, 77] of both tokenizers → embeddings [B, 77, D1 + D2], pooled [B, P].

    The embeddings are the penultimate hidden states, as diffusers' SDXL pipeline takes them; the pooled
    vector is the second encoder's projection at its end-of-text token.
    """

    def __init__(self, text_encoder: CLIPTextModel, text_encoder_2: CLIPTextModelWithProjection) -> None:
        super().__init__()
        self.config = PretrainedConfig()  # optimum reads it
        self.text_encoder = text_encoder
        self.text_encoder_2 = text_encoder_2

    def forward(self, tokens: Tensor, tokens_2: Tensor) -> tuple[Tensor, Tensor]:
        first = self.text_encoder(tokens, output_hidden_states=True)
        second = self.text_encoder_2(tokens_2, output_hidden_states=True)
        embeddings = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        return embeddings.float(), second.text_embeds.float()


class SingleTextEncoder(nn.Module):
    """SD 1.5's: tokens int64 [B, 77] → embeddings [B, 77, D], the last hidden state with its norm."""

    def __init__(self, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.config = PretrainedConfig()  # optimum reads it
        self.text_encoder = text_encoder

    def forward(self, tokens: Tensor) -> Tensor:
        embeddings: Tensor = self.text_encoder(tokens).last_hidden_state
        return embeddings.float()
