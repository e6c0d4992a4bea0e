"""Starts the UNet as a linear map of its input whose strength depends on the noise level alone.

The velocity holds nearly all the noise that came in. A small network that has to learn to pass it on lets
some of it through into the picture, where it stays as coloured blots. So the way is laid from the start:

1. The first convolution keeps each latent as a pair (x, -x); since silu(x) - silu(-x) = x, pairs pass
   activations unbent.
2. The last block takes the pairs from its skip connection twice: once as they are, and once through its
   convolutions, where the time embedding scales them. What is learnt is one number for each noise level.
3. The last normalisation would undo that scaling, so each of its groups also holds a large constant (K, -K),
   which fixes the group's deviation.
"""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from torch import nn

GROUPS = 16
ANCHOR = 6.0


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def start(unet: UNet2DConditionModel) -> None:
    channels, width = unet.config.in_channels, unet.config.block_out_channels[0]
    size = width // GROUPS
    pairs = (size - 2) // 2
    if channels > GROUPS * pairs or 2 * channels > width:
        raise ValueError(f"{channels} latent channels do not fit a first level of {width}")
    places = [number // pairs * size + number % pairs * 2 for number in range(channels)]
    last = unet.up_blocks[-1].resnets[-1]
    _keep_pairs(unet.conv_in, channels)
    _pass_pairs(last.conv1, channels, width)
    _steady(last.time_emb_proj, channels, width)
    _combine(last, places, width)
    _anchor(last.conv_shortcut, size, pairs)
    _read(unet.conv_out, places, ((2 * pairs + 2 * ANCHOR**2) / size) ** 0.5)


def _keep_pairs(conv: nn.Conv2d, channels: int) -> None:
    conv.weight[: 2 * channels] = 0
    conv.bias[: 2 * channels] = 0
    for number in range(channels):
        conv.weight[2 * number, number, 1, 1] = 1
        conv.weight[2 * number + 1, number, 1, 1] = -1


def _pass_pairs(conv: nn.Conv2d, channels: int, width: int) -> None:
    """The skip connection comes after the `width` channels from below."""
    conv.weight[: 2 * channels] = 0
    conv.bias[: 2 * channels] = 0
    for number in range(channels):
        plus, minus = width + 2 * number, width + 2 * number + 1
        for row, sign in ((2 * number, 1), (2 * number + 1, -1)):
            conv.weight[row, plus, 1, 1] = sign
            conv.weight[row, minus, 1, 1] = -sign


def _steady(scales: nn.Linear, channels: int, width: int) -> None:
    """No noise level scales or shifts the pairs yet."""
    for first in (0, width):
        scales.weight[first : first + 2 * channels] = 0
        scales.bias[first : first + 2 * channels] = 0


def _combine(block: nn.Module, places: list[int], width: int) -> None:
    """Input less half of its scaled self, which is about right at sigma 0.75."""
    nn.init.zeros_(block.conv2.weight)
    nn.init.zeros_(block.conv2.bias)
    for number, place in enumerate(places):
        for row, sign in ((place, 1), (place + 1, -1)):
            block.conv_shortcut.weight[row] = 0
            block.conv_shortcut.bias[row] = 0
            block.conv_shortcut.weight[row, width + 2 * number] = sign
            block.conv2.weight[row, 2 * number, 1, 1] = -0.5 * sign
            block.conv2.weight[row, 2 * number + 1, 1, 1] = 0.5 * sign


def _anchor(shortcut: nn.Conv2d, size: int, pairs: int) -> None:
    for group in range(GROUPS):
        first = group * size + 2 * pairs
        shortcut.weight[first : first + 2] = 0
        shortcut.bias[first], shortcut.bias[first + 1] = ANCHOR, -ANCHOR


def _read(conv: nn.Conv2d, places: list[int], deviation: float) -> None:
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    for number, place in enumerate(places):
        conv.weight[number, place, 1, 1] = deviation
        conv.weight[number, place + 1, 1, 1] = -deviation
