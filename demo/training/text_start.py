"""Starts the text encoders with words that can be told apart.

CLIP's own start (deviation 0.02) is meant for long training: the UNet reads the raw residual stream, where
such words are next to nothing, and learns to go by the noise alone. Here words start at deviation 1.
The end token starts near zero, so that the pooled embedding, which is read there, is made of the other words.
"""

from __future__ import annotations

import torch
from torch import nn

from demo.training.pipeline import Pipeline

PLACE = 0.1
"""Deviation of the position embeddings: a word's meaning comes first, its place second."""


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def start(pipeline: Pipeline) -> None:
    for encoder in (pipeline.text_encoder, pipeline.text_encoder_2):
        embeddings = encoder.text_model.embeddings
        nn.init.normal_(embeddings.token_embedding.weight)
        nn.init.normal_(embeddings.position_embedding.weight, std=PLACE)
        embeddings.token_embedding.weight[encoder.config.eos_token_id] *= 0.1
