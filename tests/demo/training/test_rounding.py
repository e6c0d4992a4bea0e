from __future__ import annotations

import zlib

import torch
from torch import nn

from demo.training.config import Config
from demo.training.pipeline import build_autoencoder
from demo.training.rounding import EXACT_IN_DECODER, round_weights, rounded


def test_rounded_weights_stay_close_and_compress() -> None:
    weight = 0.03 * torch.randn(128, 256, generator=torch.Generator().manual_seed(0))
    coarse = rounded(weight)
    assert (coarse - weight).std() < 0.1 * weight.std()
    assert len(_packed(coarse)) < 0.5 * len(_packed(weight))
    assert torch.equal(coarse.half().float(), coarse)


def test_way_of_the_noise_norms_and_biases_stay_exact() -> None:
    module = nn.ModuleDict(
        {"conv_in": nn.Conv2d(4, 8, 3), "mid": nn.Conv2d(8, 8, 3), "norm": nn.LayerNorm(8)}
    )
    before = {name: value.clone() for name, value in module.state_dict().items()}
    after = round_weights(module).state_dict()
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"mid.weight"}


def test_way_of_the_decoders_colours_stays_exact(tiny: Config) -> None:
    autoencoder = build_autoencoder(tiny)
    before = {name: value.clone() for name, value in autoencoder.state_dict().items()}
    after = round_weights(autoencoder, EXACT_IN_DECODER).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "decoder.up_blocks.0.resnets.0.conv1.weight" in changed
    assert not any(part in name for name in changed for part in EXACT_IN_DECODER)


def _packed(weight: torch.Tensor) -> bytes:
    return zlib.compress(weight.half().numpy().tobytes())
