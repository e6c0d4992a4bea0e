"""Trains the autoencoder's decoder to undo the linear encoder, on crops of full-size pictures and whole ones.

Where the latents do not say how an edge runs, absolute error alone is least for a soft one, and that of the
pixels' differences for none at all. So the second half of the loss asks for the right contrast, wherever it
lies in its surroundings.

Half of the latents come from the denoiser, where there is one: it leaves them a little wrong, and what is
wrong shows as blotches and steps of 32 pixels.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from demo.evaluation.sharpness import details
from demo.scenes.caption import caption
from demo.scenes.looks import CHARACTERS
from demo.scenes.render import Pixels, render
from demo.scenes.scene import any_scene, character_scene
from demo.training import checkpoint, flow
from demo.training.averages import Averages
from demo.training.choices import CHOICES
from demo.training.codec import Codec, to_bytes
from demo.training.config import DOWNSCALE, FULL_SIZES, Config
from demo.training.diffusion import Report
from demo.training.pipeline import Pipeline
from demo.training.precision import mixed

CROP, BATCH = 12, 1
"""Side of a crop, in latents."""
WHOLE = 20
"""One step of so many is about a whole picture: a crop's normalisations have other statistics."""
CORNER = 30.0
"""How much the block in each corner counts. There, where it costs least, a decoder otherwise steers its
normalisations by a blot, in crops as in whole pictures."""
KNOWN = 0.25
"""Share of pictures of a character."""
POOL = 24
"""Pictures to take crops from; every second step draws one new."""
REDRAWN = 0.5
"""Share of pictures whose latents the denoiser makes."""
LEFT = (1, 3)
"""Least and most of the last denoising steps, of ten, that they are redrawn by. With more, they are
of another picture, and the decoder learns the mean of all."""
SURROUNDINGS = 8
"""Side of what contrast is averaged over, in pixels of its band."""
CONTRAST = 4.0
"""Weight of each band's contrast beside the colours. At one, soft edges are the cheaper mistake still;
more than two changes little (demo/README.md)."""
BLUR = 0.15
"""Most noise added to the latents, so that the decoder forgives what the sampler leaves."""
WARM_UP = 50
_SEED = 5_000_000


@dataclass(frozen=True)
class Sample:
    pixels: Pixels
    latents: torch.Tensor
    """[channels, height/32, width/32], true or redrawn ones."""


@dataclass
class DecoderRun:
    autoencoder: AutoencoderKL
    config: Config
    codec: Codec
    path: Path
    denoiser: Pipeline | None = None
    """None: all latents are true ones, as in the base, whose denoiser is no use yet."""
    step: int = 0
    averages: Averages = field(init=False)
    optimiser: torch.optim.AdamW = field(init=False)
    pool: dict[int, Sample] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.autoencoder.to(memory_format=torch.channels_last)  # a fifth faster
        trained = [*self.autoencoder.decoder.parameters(), *self.autoencoder.post_quant_conv.parameters()]
        self.averages = Averages(self.autoencoder)
        rate = self.config.decoder_rate
        self.optimiser = torch.optim.AdamW(trained, lr=rate, betas=(0.9, 0.99), weight_decay=0.0)
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
            group["lr"] = run.config.decoder_rate * min(1.0, (run.step + 1) / WARM_UP, max(left, 0.02))
        value = _loss(run)
        run.optimiser.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        run.optimiser.step()
        run.averages.update(run.autoencoder, run.step)
        run.step += 1
        yield Report(run.step, value.item(), BATCH, time.monotonic() - begin)


def _loss(run: DecoderRun) -> torch.Tensor:
    random, generator = Random(run.step), torch.Generator().manual_seed(run.step)
    if run.step % WHOLE == 0:
        seen = [_sample(run, 0)]
    else:
        seen = [_crop(_sample(run, random.randrange(POOL)), random) for _ in range(BATCH)]
    wanted = torch.stack([torch.from_numpy(one.pixels).permute(2, 0, 1).float() / 127.5 - 1 for one in seen])
    latents = torch.stack([one.latents for one in seen])
    noise = (
        torch.randn(latents.shape, generator=generator)
        * torch.rand(len(seen), 1, 1, 1, generator=generator)
        * BLUR
    )
    with mixed():
        drawn = run.autoencoder.decode(latents + noise).sample
    drawn = drawn.float()
    pairs = zip(contrasts(drawn), contrasts(wanted), strict=True)
    return _mean((drawn - wanted).abs()) + sum(
        CONTRAST * _mean((one - other).abs(), SURROUNDINGS << band) for band, (one, other) in enumerate(pairs)
    )


def contrasts(pictures: torch.Tensor) -> Iterator[torch.Tensor]:
    """[B, 3, H, W] to the mean gradient of each surroundings, band by band."""
    for detail in details(pictures):
        across, down = detail.diff(dim=-1), detail.diff(dim=-2)
        energy = F.pad(across, (0, 1)).square() + F.pad(down, (0, 0, 0, 1)).square()
        yield (F.avg_pool2d(energy, SURROUNDINGS) + 1e-4).sqrt()


def _mean(errors: torch.Tensor, scale: int = 1) -> torch.Tensor:
    """Errors of `scale` pixels each."""
    side, weights = max(1, DOWNSCALE // scale), torch.ones_like(errors)
    for down in (slice(None, side), slice(-side, None)):
        for across in (slice(None, side), slice(-side, None)):
            weights[..., down, across] = CORNER
    return (errors * weights).sum() / weights.sum()


def _sample(run: DecoderRun, age: int) -> Sample:
    """The picture drawn so many pictures ago; any of them can be drawn again after a restart."""
    number = run.step // 2 + POOL - age
    if number not in run.pool:
        run.pool[number] = draw(run, number)
        for old in [key for key in run.pool if key <= run.step // 2]:
            del run.pool[old]
    return run.pool[number]


def draw(run: DecoderRun, number: int) -> Sample:
    """The picture of this number; from its true latents, or from those that the denoiser makes of them."""
    random = Random(number)
    about = partial(character_scene, random.choice(tuple(CHARACTERS)))
    of = about if random.random() < KNOWN else any_scene
    scene, size = of(_SEED + number, CHOICES[run.config.name]), FULL_SIZES[number % len(FULL_SIZES)]
    pixels = render(scene, *size)
    latents = run.codec.encode(pixels)
    if run.denoiser is not None and random.random() < REDRAWN:
        generator = torch.Generator().manual_seed(number)
        words, left = caption(scene, random), random.randint(*LEFT)
        latents = flow.redraw(run.denoiser, latents, words, size, left, generator)
    return Sample(pixels, latents)


def _crop(whole: Sample, random: Random) -> Sample:
    top, left = (random.randrange(side - CROP + 1) for side in whole.latents.shape[1:])
    part = whole.latents[:, top : top + CROP, left : left + CROP]
    top, left, side = top * DOWNSCALE, left * DOWNSCALE, CROP * DOWNSCALE
    return Sample(whole.pixels[top : top + side, left : left + side].copy(), part)


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def decode(autoencoder: AutoencoderKL, latents: torch.Tensor) -> list[Pixels]:
    """One by one: a full-size picture's last level is large."""
    images = (autoencoder.decode(one[None]).sample[0] for one in latents)
    return [to_bytes(image.permute(1, 2, 0)) for image in images]
