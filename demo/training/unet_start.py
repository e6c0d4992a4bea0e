"""Starts the UNet as an almost plain copy of its input, so that training need not learn to pass the noise on.

The velocity is mostly the noise that came in. The first convolution keeps the latents in its first channels;
the last block takes them from there as pairs (x, -x), and since silu(x) - silu(-x) = x, the last
convolution can put them together again in spite of the non-linearity before it.
"""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from torch import nn

SHARE = 0.5
"""Of the normalised input in the first velocity."""


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def start(unet: UNet2DConditionModel) -> None:
    channels, width = unet.config.in_channels, unet.config.block_out_channels[0]
    if 2 * channels > width:
        raise ValueError(f"{channels} latent channels need a first level at least twice as wide, not {width}")
    unet.conv_in.weight[:channels] = 0
    unet.conv_in.bias[:channels] = 0
    last = unet.up_blocks[-1].resnets[-1]
    nn.init.zeros_(last.conv2.weight)
    nn.init.zeros_(last.conv2.bias)
    last.conv_shortcut.weight[: 2 * channels] = 0
    last.conv_shortcut.bias[: 2 * channels] = 0
    unet.conv_out.weight *= 0.1
    nn.init.zeros_(unet.conv_out.bias)
    for number in range(channels):
        unet.conv_in.weight[number, number, 1, 1] = 1
        for sign, channel in ((1, 2 * number), (-1, 2 * number + 1)):
            last.conv_shortcut.weight[channel, width + number] = sign
            unet.conv_out.weight[number, channel, 1, 1] = SHARE * sign
