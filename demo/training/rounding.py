"""Rounds weights so coarsely that they compress to a third: git keeps every version of them for ever.

Measured on the velocity's loss: nowhere but on the way that the noise itself takes through the UNet
(unet_start.py) does it matter, and there weights stay as they are. In the decoder it is the way of the
colours (decoder_start.py): all rounded, its pictures are 25 dB from its own; but for these few, 56 dB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

STEPS = 3
"""To a standard deviation."""
EXACT = ("conv_in.", "conv_out.", "up_blocks.2.resnets.1.")
EXACT_IN_DECODER = (
    "conv_in.", "conv_out.", "post_quant_conv.", "conv_shortcut.", "upsamplers.",
    "up_blocks.3.", "up_blocks.4.", "up_blocks.5.",
)  # fmt: skip


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
def round_weights(module: nn.Module, exact: Sequence[str] = EXACT) -> nn.Module:
    """In place. `exact`: parts of the names of weights that stay as they are."""
    for name, value in module.named_parameters():
        if not any(part in name for part in exact):
            value.copy_(rounded(value.float()))
    return module
