"""A network in torch as its part declares it."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig

from contract.parts import ModelPart
from export.networks.bank import TorchBank


class PartModule(nn.Module):
    """Its forward takes the inputs of a part, by name or in their order, whatever a family has.

    The exporters read the names off the signature; so there is one for each part, not for each class.
    """

    copies: int = 1  # how many times it runs each sample, one whole batch after the other

    def __init__(self, part: ModelPart) -> None:
        super().__init__()
        self.bank: TorchBank | None = None
        self.config = PretrainedConfig()  # optimum reads it
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        signature = inspect.Signature([inspect.Parameter(tensor.name, kind) for tensor in part.inputs])
        forward: Any = functools.partial(_bind, self, signature)
        forward.__signature__ = signature
        self.forward = forward

    def compute(self, inputs: Mapping[str, torch.Tensor]) -> Any:
        """The part's outputs: a tensor, or a tuple of them."""
        raise NotImplementedError


def _bind(
    module: PartModule, signature: inspect.Signature, *values: torch.Tensor, **named: torch.Tensor
) -> Any:
    inputs = signature.bind(*values, **named).arguments
    if module.bank:
        module.bank.select(inputs, module.copies)
    return module.compute(inputs)
