"""Rounds weights so coarsely that they compress to a third: git keeps every version of them for ever.

Measured on the velocity's loss: nowhere but on the way that the noise itself takes through the UNet
(unet_start.py) does it matter, and there weights stay as they are.
"""

from __future__ import annotations

import math

import torch
from torch import nn

STEPS = 3
"""To a standard deviation."""
EXACT = ("conv_in.", "conv_out.", "up_blocks.2.resnets.1.")


def rounded(weight: torch.Tensor, steps: int = STEPS) -> torch.Tensor:
    """Multiples of a power of two, at most four levels to a doubling: in half precision every second byte
    is zero then, which is what compresses."""
    deviation = weight.std().item()
    if weight.dim() < 2 or deviation == 0:  # norms and biases are few
        return weight
    unit = 2.0 ** round(math.log2(deviation / steps))
    many = weight / unit
    coarse = torch.exp2(torch.floor(torch.log2(many.abs().clamp_min(4.0))) - 2)
    return (many / coarse).round() * coarse * unit


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def round_weights(module: nn.Module) -> nn.Module:
    """In place."""
    for name, value in module.named_parameters():
        if not name.startswith(EXACT):
            value.copy_(rounded(value.float()))
    return module
