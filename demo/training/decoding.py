"""Trains the autoencoder's decoder to undo the linear encoder, on square crops of full-size pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from demo.scenes.render import Pixels, render
from demo.scenes.scene import any_scene
from demo.training import checkpoint
from demo.training.averages import Averages
from demo.training.choices import CHOICES
from demo.training.codec import Codec, to_bytes
from demo.training.config import DOWNSCALE, FULL_SIZES, Config
from demo.training.diffusion import Report
from demo.training.precision import mixed

CROP = 8
"""Side of a crop, in latents."""
BATCH = 4
POOL = 24
"""Pictures to take crops from; each step draws one new."""
BLUR = 0.12
"""Most noise added to the latents, so that the decoder forgives what the sampler leaves."""
RATE, WARM_UP = 1.5e-3, 50
_SEED = 5_000_000


@dataclass
class DecoderRun:
    autoencoder: AutoencoderKL
    config: Config
    codec: Codec
    path: Path
    step: int = 0
    averages: Averages = field(init=False)
    optimiser: torch.optim.AdamW = field(init=False)
    pool: dict[int, Pixels] = field(default_factory=dict)

    def __post_init__(self) -> None:
        trained = [*self.autoencoder.decoder.parameters(), *self.autoencoder.post_quant_conv.parameters()]
        self.averages = Averages(self.autoencoder)
        self.optimiser = torch.optim.AdamW(trained, lr=RATE, betas=(0.9, 0.99), weight_decay=0.0)
        state = checkpoint.read(self.path)
        if state is not None:
            self.autoencoder.load_state_dict(state["model"])
            self.averages.values = state["averages"]
            self.optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]

    def save(self) -> None:
        state = {
            "model": self.autoencoder.state_dict(),
            "averages": self.averages.values,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        checkpoint.write(state, self.path)


def train(run: DecoderRun, steps: int) -> Iterator[Report]:
    parameters = [value for group in run.optimiser.param_groups for value in group["params"]]
    while run.step < steps:
        begin = time.monotonic()
        left = (run.config.decoder_steps - run.step) / (0.4 * run.config.decoder_steps)
        for group in run.optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (run.step + 1) / WARM_UP, max(left, 0.02))
        value = _loss(run)
        run.optimiser.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        run.optimiser.step()
        run.averages.update(run.autoencoder, run.step)
        run.step += 1
        yield Report(run.step, value.item(), BATCH, time.monotonic() - begin)


def _loss(run: DecoderRun) -> torch.Tensor:
    """Absolute error of the pixels and of their differences, which keeps edges sharp."""
    random, generator = Random(run.step), torch.Generator().manual_seed(run.step)
    crops = [_crop(_picture(run, random.randrange(POOL)), random) for _ in range(BATCH)]
    wanted = torch.stack([torch.from_numpy(crop).permute(2, 0, 1).float() / 127.5 - 1 for crop in crops])
    latents = torch.stack([run.codec.encode(crop) for crop in crops])
    noise = (
        torch.randn(latents.shape, generator=generator)
        * torch.rand(BATCH, 1, 1, 1, generator=generator)
        * BLUR
    )
    with mixed():
        drawn = run.autoencoder.decode(latents + noise).sample
    drawn = drawn.float()
    across = F.l1_loss(drawn.diff(dim=-1), wanted.diff(dim=-1))
    down = F.l1_loss(drawn.diff(dim=-2), wanted.diff(dim=-2))
    return F.l1_loss(drawn, wanted) + F.mse_loss(drawn, wanted) + 0.5 * (across + down)


def _picture(run: DecoderRun, age: int) -> Pixels:
    """The picture drawn `age` steps ago; any of them can be drawn again after a restart."""
    number = run.step + POOL - age
    if number not in run.pool:
        run.pool[number] = render(
            any_scene(_SEED + number, CHOICES[run.config.name]), *FULL_SIZES[number % len(FULL_SIZES)]
        )
        for old in [key for key in run.pool if key <= run.step]:
            del run.pool[old]
    return run.pool[number]


def _crop(pixels: Pixels, random: Random) -> Pixels:
    side = CROP * DOWNSCALE
    top = random.randrange(0, pixels.shape[0] - side + 1, DOWNSCALE)
    left = random.randrange(0, pixels.shape[1] - side + 1, DOWNSCALE)
    return pixels[top : top + side, left : left + side].copy()


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def decode(autoencoder: AutoencoderKL, latents: torch.Tensor) -> list[Pixels]:
    """One by one: a full-size picture's last level is large."""
    images = (autoencoder.decode(one[None]).sample[0] for one in latents)
    return [to_bytes(image.permute(1, 2, 0)) for image in images]
