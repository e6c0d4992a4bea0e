"""The moving average of the weights, which is what is sampled and shipped."""

from __future__ import annotations

import torch
from torch import nn

DECAY = 0.99
"""Short: the falling learning rate averages too, and a longer memory (0.999) lags behind it by 0.7 % of the
loss."""


class Averages:
    def __init__(self, module: nn.Module) -> None:
        self.values = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def update(self, module: nn.Module, step: int) -> None:
        """Short memory at first, so that the random start is soon forgotten."""
        share = 1 - min(DECAY, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value, share)
            else:
                self.values[name].copy_(value)
