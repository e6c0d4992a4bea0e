"""An adapter bank in torch: every linear layer and convolution of a network also makes what its LoRAs add.

The layers keep their names, so that whatever finds weights by them still does: what is added is a hook beside
the layer, not a layer around it.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from contract.bank import DOWN, SLOTS, STRENGTHS, UP


class TorchBank:
    """Of one network: which LoRAs the samples of the batch that runs now have."""

    def __init__(self, network: nn.Module, rank: int, slots: int) -> None:
        """Adds tables of zeros (buffers lora_down and lora_up) to the network's layers. `slots`: how many the
        tables have here, slot 0 included; a graph takes tables of any number."""
        self.rank = rank
        self._slots = torch.zeros(1, dtype=torch.int64)  # [samples · adapters]
        self._strengths = torch.zeros(1, 1)  # [samples, adapters · rank]
        for module in network.modules():
            if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1):
                self._add(module, slots)

    def select(self, inputs: Mapping[str, Tensor], copies: int) -> None:
        """`copies`: how many times the network runs each sample, one whole batch after the other."""
        slots, strengths = inputs[SLOTS], inputs[STRENGTHS]
        self._slots = slots.repeat(copies, 1).flatten()
        wide = strengths.unsqueeze(2).expand(-1, -1, self.rank).flatten(1)
        self._strengths = wide.repeat(copies, 1)

    def _add(self, layer: nn.Linear | nn.Conv2d, slots: int) -> None:
        wide = isinstance(layer, nn.Linear)
        inputs, outputs = (
            (layer.in_features, layer.out_features)
            if isinstance(layer, nn.Linear)
            else (layer.in_channels, layer.out_channels)
        )
        places = 1 if wide else int(torch.Size(layer.kernel_size).numel())
        layer.register_buffer(DOWN[1:], torch.zeros(slots, self.rank * places, inputs))
        layer.register_buffer(UP[1:], torch.zeros(slots, self.rank, outputs))
        layer.register_forward_hook(self._linear if wide else self._convolution)

    def _factors(self, layer: Any, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """[samples, adapters · rank (· places), inputs] and [samples, adapters · rank, outputs]."""
        samples = self._strengths.shape[0]
        down, up = (
            table.index_select(0, self._slots).reshape(samples, -1, table.shape[2]).to(dtype)
            for table in (layer.lora_down, layer.lora_up)
        )
        return down, up

    def _linear(self, layer: Any, given: tuple[Tensor, ...], made: Tensor) -> Tensor:
        (x,) = given
        down, up = self._factors(layer, x.dtype)
        strengths = self._strengths.to(x.dtype).unsqueeze(1)
        rows = x if x.ndim == 3 else x.unsqueeze(1)
        added = ((rows @ down.transpose(1, 2)) * strengths) @ up
        return made + (added if x.ndim == 3 else added.squeeze(1))

    def _convolution(self, layer: Any, given: tuple[Tensor, ...], made: Tensor) -> Tensor:
        """Each place of the kernel apart makes low-rank maps of its own; then these are moved to where the
        kernel stands, and summed, by a convolution with a fixed kernel of zeros and ones."""
        (x,) = given
        down, up = self._factors(layer, x.dtype)
        high, wide = layer.kernel_size
        low = down @ x.flatten(2)  # [samples, adapters · rank · places, h · w]
        if (high, wide) != (1, 1) or tuple(layer.stride) != (1, 1):
            maps = low.reshape(-1, self.rank * high * wide, *x.shape[2:])
            moved = functional.conv2d(
                maps,
                _moves(self.rank, high, wide).to(x.device, x.dtype),
                None,
                layer.stride,
                layer.padding,
                1,
                self.rank,
            )
            low = moved.reshape(x.shape[0], -1, made.shape[2] * made.shape[3])
        strengths = self._strengths.to(x.dtype).unsqueeze(2)
        return made + (up.transpose(1, 2) @ (low * strengths)).reshape(made.shape)


def _moves(rank: int, high: int, wide: int) -> Tensor:
    """[rank, places, high, wide]: 1 where a place is the kernel's own."""
    places = high * wide
    return torch.eye(places).reshape(1, places, high, wide).repeat(rank, 1, 1, 1)
