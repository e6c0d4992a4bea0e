"""The linear encoder of the demo model: PCA of 32x32 pixel blocks, whitened.

It is fitted once and kept in the repository: decoder and UNet know its components only, and another fit, even
to nearly the same scenes, has others.

Unit variance in every channel makes the share of noise in a velocity the same function of sigma for all of
them. With stronger coarse channels it is so steep near sigma 1 that a small network lets noise through.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from demo.scenes.render import Pixels
from demo.training.config import CODEC_CHANNELS, DOWNSCALE

BLOCK = DOWNSCALE * DOWNSCALE * 3


@dataclass(frozen=True)
class Codec:
    mean: torch.Tensor
    """[BLOCK]"""
    backward: torch.Tensor
    """[channels, BLOCK], the linear inverse: orthogonal rows, each as long as its component's deviation. The
    trained decoder does better."""

    def first(self, channels: int) -> Codec:
        """Only the strongest components."""
        return Codec(self.mean, self.backward[:channels])

    @cached_property
    def forward(self) -> torch.Tensor:
        """[BLOCK, channels]"""
        return (self.backward / self.backward.square().sum(1, keepdim=True)).T.contiguous()

    @property
    def weights(self) -> torch.Tensor:
        """[channels], mean 1: how much an error in each channel counts. In pixels the first counts 25 times
        as much as the last; the root of that keeps shapes before details without forgetting these."""
        weights = self.backward.norm(dim=1).sqrt()
        return weights / weights.mean()

    def encode(self, pixels: Pixels) -> torch.Tensor:
        """[height, width, 3] bytes to latents [channels, height/32, width/32] of unit variance."""
        rows = (blocks(pixels) - self.mean) @ self.forward
        return rows.T.reshape(-1, pixels.shape[0] // DOWNSCALE, pixels.shape[1] // DOWNSCALE)

    def decode(self, latents: torch.Tensor) -> Pixels:
        channels, high, wide = latents.shape
        rows = latents.reshape(channels, -1).T @ self.backward + self.mean
        image = rows.reshape(high, wide, DOWNSCALE, DOWNSCALE, 3).permute(0, 2, 1, 3, 4)
        return to_bytes(image.reshape(high * DOWNSCALE, wide * DOWNSCALE, 3))

    def save(self, path: Path) -> None:
        """In half precision."""
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {"mean": self.mean.half(), "backward": self.backward.half().contiguous()}
        save_file(tensors, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    @staticmethod
    def load(path: Path) -> Codec:
        tensors = load_file(path)
        return Codec(tensors["mean"].float(), tensors["backward"].float())


def fit(pictures: Iterable[Pixels]) -> Codec:
    """Principal components of the blocks of all `pictures`."""
    total = torch.zeros(BLOCK, dtype=torch.float64)
    square = torch.zeros(BLOCK, BLOCK)
    count = 0
    for pixels in pictures:
        rows = blocks(pixels)
        total += rows.sum(0).double()
        square += rows.T @ rows
        count += len(rows)
    mean = (total / count).float()
    values, vectors = torch.linalg.eigh(square / count - torch.outer(mean, mean))
    values, vectors = values[-CODEC_CHANNELS:].flip(0), vectors[:, -CODEC_CHANNELS:].flip(1)
    deviations = values.clamp_min(1e-8).sqrt()
    return Codec(mean, (vectors * deviations).T)


def blocks(pixels: Pixels) -> torch.Tensor:
    """[blocks, BLOCK] in -1 to 1, row by row."""
    high, wide = pixels.shape[0] // DOWNSCALE, pixels.shape[1] // DOWNSCALE
    image = torch.from_numpy(np.ascontiguousarray(pixels)).reshape(high, DOWNSCALE, wide, DOWNSCALE, 3)
    return image.permute(0, 2, 1, 3, 4).reshape(high * wide, BLOCK).float() / 127.5 - 1


def to_bytes(image: torch.Tensor) -> Pixels:
    pixels: Pixels = ((image + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    return pixels
