"""A checkpoint's text encoders as one network."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from contract.families import TextEncoder
from contract.parts import ModelPart
from export.networks.part_module import PartModule


class TextEncoders(PartModule):
    """Tokens int64 [B, window] of each tokenizer → embeddings [B, window, D1 + D2 + …].

    And pooled [B, P] where the family has it: the projections at the end-of-text token.
    """

    def __init__(self, part: ModelPart, encoders: Mapping[TextEncoder, Any]) -> None:
        super().__init__(part)
        self._encoders = tuple(encoders)
        for encoder, network in encoders.items():
            self.add_module(encoder.name, network)  # so are its weights called in the graph

    def compute(self, inputs: Mapping[str, Tensor]) -> Any:
        embeddings, pooled = [], []
        for encoder in self._encoders:
            found = self.get_submodule(encoder.name)(inputs[encoder.tokens], output_hidden_states=True)
            last = encoder.layer == "last"
            embeddings.append(found.last_hidden_state if last else found.hidden_states[-2])
            if encoder.pooled:
                pooled.append(found.text_embeds)
        return (_join(embeddings), _join(pooled)) if pooled else _join(embeddings)


def _join(values: Sequence[Tensor]) -> Tensor:
    return (values[0] if len(values) == 1 else torch.cat(list(values), dim=-1)).float()
