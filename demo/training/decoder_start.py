"""Starts the decoder as a plain upscaler of each block's mean colour, so that training only adds detail.

Channels 0 to 2 carry red, green and blue from the latents to the last level (zero residual branches,
identity shortcuts). The last normalisation would wash out the mean colour, so each of its groups holds
(c, -c, K): a large constant K fixes the group's statistics, and silu(x) - silu(-x) = x.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import nn

from demo.training.codec import Codec

ANCHOR = 8.0
GROUPS = 4
SPREAD = 0.4
"""Of the channels that begin at random, together: of each level's, whatever its width."""


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def start(autoencoder: AutoencoderKL, codec: Codec) -> None:
    decoder = autoencoder.decoder
    _identity(autoencoder.post_quant_conv)
    _colours_in(decoder.conv_in, codec)
    resnets = [module for module in decoder.modules() if type(module).__name__ == "ResnetBlock2D"]
    for resnet in resnets:
        nn.init.zeros_(resnet.conv2.weight)
        nn.init.zeros_(resnet.conv2.bias)
        if resnet.conv_shortcut is not None:
            _identity(resnet.conv_shortcut)
    for block in decoder.up_blocks:
        for upsampler in block.upsamplers or ():
            _carry(upsampler.conv)
    _pairs(decoder.up_blocks[-1].resnets[0].conv_shortcut)
    _colours_out(decoder.conv_norm_out, decoder.conv_out)


def _identity(conv: nn.Conv2d) -> None:
    """Every channel to itself."""
    nn.init.dirac_(conv.weight)
    nn.init.zeros_(conv.bias)


def _colours_in(conv: nn.Conv2d, codec: Codec) -> None:
    """The mean colour of a block is linear in its latents."""
    means = codec.backward.reshape(len(codec.backward), -1, 3).mean(1)
    conv.weight[:3] = 0
    conv.weight[:3, :, 1, 1] = means.T
    conv.bias[:3] = codec.mean.reshape(-1, 3).mean(0)


def _carry(conv: nn.Conv2d) -> None:
    """The colours are smoothed a little across the doubled pixels; the other channels begin at random."""
    nn.init.dirac_(conv.weight[3:])
    conv.weight[3:] += SPREAD / conv.in_channels**0.5 * torch.randn_like(conv.weight[3:])
    conv.weight[:3] = 0
    kernel = torch.tensor([0.25, 0.5, 0.25])
    for colour in range(3):
        conv.weight[colour, colour] = torch.outer(kernel, kernel)
    nn.init.zeros_(conv.bias)


def _pairs(conv: nn.Conv2d) -> None:
    """Channels of the last level: (c, -c, K) for each colour, then spare ones."""
    size = conv.out_channels // GROUPS
    conv.weight[: 3 * size] = 0
    for colour in range(3):
        first = colour * size
        conv.weight[first, colour] = 1
        conv.weight[first + 1, colour] = -1
        conv.bias[first + 2] = ANCHOR


def _colours_out(norm: nn.GroupNorm, conv: nn.Conv2d) -> None:
    """Undoes the normalisation: within a group the mean is K/size and the deviation nearly constant."""
    size = norm.num_channels // GROUPS
    mean = ANCHOR / size
    deviation = (ANCHOR**2 / size - mean**2 + 0.15) ** 0.5
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    for colour in range(3):
        first = colour * size
        norm.bias[first : first + 2] = mean / deviation
        conv.weight[colour, first, 1, 1] = deviation
        conv.weight[colour, first + 1, 1, 1] = -deviation
