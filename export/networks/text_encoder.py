"""The text encoders of one part of a checkpoint as one network."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Qwen3Model

from contract.families import TextEncoder
from contract.parts import ModelPart
from export.families.qwen3 import qwen3_states
from export.networks.part_module import PartModule


class TextEncoders(PartModule):
    """Tokens int64 [B, window] of each tokenizer → embeddings [B, window, D1 + D2 + …].

    And pooled [B, P] where the family has it: the text as a whole, at the end-of-text token, projected where
    the encoder has a projection.
    """

    def __init__(self, part: ModelPart, encoders: Mapping[TextEncoder, Any]) -> None:
        super().__init__(part)
        self._encoders = tuple(encoders)
        for encoder, network in encoders.items():
            self.add_module(encoder.name, network)  # so are its weights called in the graph

    def compute(self, inputs: Mapping[str, Tensor]) -> Any:
        embeddings, pooled = [], []
        for encoder in self._encoders:
            masked = {"attention_mask": inputs[encoder.mask]} if encoder.masked else {}
            network = self.get_submodule(encoder.name)
            if isinstance(network, Qwen3Model):
                embeddings.append(qwen3_states(network, inputs[encoder.tokens], inputs[encoder.mask]))
                continue
            found = network(inputs[encoder.tokens], **masked, output_hidden_states=True)
            if encoder.layer != "none":
                last = encoder.layer == "last"
                embeddings.append(found.last_hidden_state if last else found.hidden_states[-2])
            if encoder.pooled:
                pooled.append(found.text_embeds if "text_embeds" in found else found.pooler_output)
        made = tuple(_join(values) for values in (embeddings, pooled) if values)
        return made if len(made) > 1 else made[0]


def _join(values: Sequence[Tensor]) -> Tensor:
    return (values[0] if len(values) == 1 else torch.cat(list(values), dim=-1)).float()
