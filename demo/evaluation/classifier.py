"""A small convolutional network that looks at a picture and says what is in it.

It learns from the generator's pictures and labels alone; it and the diffusion model never see each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from demo.evaluation.labels import IGNORED, ONE_OF_FOUR, answers, label
from demo.scenes.looks import CHARACTERS
from demo.scenes.render import Pixels, render
from demo.scenes.scene import Choice, Scene, any_scene, character_scene
from demo.training.precision import mixed

WIDTH, HEIGHT = 256, 144
"""What the network looks at; pictures of 16:9 or so are scaled to it."""
DRAWN, SQUARE = (672, 384), 16
"""Size in which its pictures are drawn: half of those that it will judge, and on the same grid, so that
things have the size that they have there. Large enough that scaling down looks as it does for real ones."""
CHANNELS = (24, 48, 96, 128, 160)
BATCH, RATE = 32, 2e-3
BEND = 3.0
"""Pixels of WIDTH."""
TRAIN_SEED, HELD_OUT_SEED = 20_000_000, 30_000_000


class Classifier(nn.Module):  # type: ignore[misc, unused-ignore]
    def __init__(self, choice: Choice) -> None:
        super().__init__()
        self.answers = answers(choice)
        layers: list[nn.Module] = []
        for before, after in zip((3, *CHANNELS), CHANNELS, strict=False):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.look = nn.Sequential(*layers)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(3 * CHANNELS[-1], len(possible)) for name, possible in self.answers.items()}
        )

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        """[B, 3, HEIGHT, WIDTH] in -1 to 1 to one row of scores for each question."""
        seen = self.look(pictures)
        middle = seen[:, :, :, seen.shape[3] // 4 : 3 * seen.shape[3] // 4]
        pooled = torch.cat((seen.mean((2, 3)), seen.amax((2, 3)), middle.mean((2, 3))), 1)
        return {name: head(pooled) for name, head in self.heads.items()}

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def say(self, pictures: Sequence[Pixels]) -> list[dict[str, str]]:
        """The likeliest answer to each question, and which character it would be if it had to be one."""
        self.eval()
        scores = self(torch.stack([prepare(pixels) for pixels in pictures]))
        scores[ONE_OF_FOUR] = scores["character"][:, : len(CHARACTERS)]
        possible = {**self.answers, ONE_OF_FOUR: tuple(CHARACTERS)}
        return [
            {name: possible[name][int(score[row].argmax())] for name, score in scores.items()}
            for row in range(len(pictures))
        ]


def prepare(pixels: Pixels) -> torch.Tensor:
    """[3, HEIGHT, WIDTH] in -1 to 1."""
    small = Image.fromarray(np.ascontiguousarray(pixels)).resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    return torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1).float() / 127.5 - 1


def scene(seed: int, choice: Choice) -> Scene:
    """Things or a mascot with nothing beside them; every fourth picture shows a character."""
    number = Random(seed).randrange(4 * len(CHARACTERS))
    names = tuple(CHARACTERS)
    drawn = character_scene(names[number], seed, choice) if number < len(names) else any_scene(seed, choice)
    return replace(drawn, relation="", other=None)


def examples(first: int, count: int, choice: Choice) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Pictures as bytes [count, 3, HEIGHT, WIDTH], and their labels."""
    scenes = [scene(first + number, choice) for number in range(count)]
    pictures = torch.stack([_bytes(prepare(render(one, *DRAWN, SQUARE))) for one in scenes])
    labels = [label(one, choice) for one in scenes]
    return pictures, {name: torch.tensor([one[name] for one in labels]) for name in answers(choice)}


def train(
    network: Classifier, pictures: torch.Tensor, labels: Mapping[str, torch.Tensor], epochs: int
) -> Iterator[float]:
    """Yields the loss of each step."""
    steps = epochs * (len(pictures) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    generator = torch.Generator().manual_seed(0)
    network.train()
    for step in range(steps):
        if step % (len(pictures) // BATCH) == 0:
            order = torch.randperm(len(pictures), generator=generator)
        rows = order[torch.arange(BATCH) + step % (len(pictures) // BATCH) * BATCH]
        with mixed():
            scores = network(_disturbed(pictures[rows].float() / 127.5 - 1, generator))
        value = torch.stack(
            [F.cross_entropy(scores[name].float(), wanted[rows]) for name, wanted in labels.items()]
        ).sum()
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        schedule.step()
        yield value.item()


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def calibrate(network: Classifier, choice: Choice, count: int) -> dict[str, float]:
    """Share of right answers on pictures of the generator that were not learnt from."""
    network.eval()
    pictures, labels = examples(HELD_OUT_SEED, count, choice)
    scores = [network(part.float() / 127.5 - 1) for part in pictures.split(64)]
    found = {}
    for name, wanted in labels.items():
        asked = wanted != IGNORED
        given = torch.cat([part[name] for part in scores]).argmax(1)
        found[name] = (given[asked] == wanted[asked]).float().mean().item()
    return found


def released(config: str) -> Path:
    return Path(__file__).with_name(f"judge-{config}.safetensors")


def save(network: Classifier, path: Path) -> None:
    """In half precision."""
    beside = path.with_suffix(".tmp")
    state = network.state_dict()
    save_file(
        {name: value.half() if value.is_floating_point() else value for name, value in state.items()}, beside
    )
    beside.replace(path)


def load(path: Path, choice: Choice) -> Classifier:
    network = Classifier(choice)
    network.load_state_dict(load_file(path))
    return network


def _bytes(picture: torch.Tensor) -> torch.Tensor:
    return ((picture + 1) * 127.5).round().to(torch.uint8)


def _disturbed(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Bent lines, blur, noise, blotches, shifted colours: a drawn picture is never as clean as the
    generator's, and who has only seen perfect figures takes a drawing of one for somebody else."""
    count = len(pictures)
    bent = _bent(pictures, generator)
    blur = torch.randint(0, 4, (count,), generator=generator)
    softer = [bent, *(F.avg_pool2d(bent, 2 * reach + 1, 1, reach) for reach in (1, 2, 3))]
    soft = torch.stack(softer)[blur, torch.arange(count)]
    share = torch.rand(count, 1, 1, 1, generator=generator)
    noise = torch.randn(pictures.shape, generator=generator) * 0.06
    small = torch.randn((count, 3, HEIGHT // 8, WIDTH // 8), generator=generator) * 0.08
    blotches = F.interpolate(small, (HEIGHT, WIDTH), mode="bilinear") * torch.rand_like(share)
    shift = torch.randn(count, 3, 1, 1, generator=generator) * 0.04
    return bent + share * (soft - bent) + noise + blotches + shift


def _bent(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Moved by up to BEND pixels or so, differently from place to place."""
    count = len(pictures)
    amount = torch.rand(count, 1, 1, 1, generator=generator) * 2 * BEND
    coarse = torch.randn((count, 2, HEIGHT // 16, WIDTH // 16), generator=generator)
    moved = F.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic") * amount
    moved = moved / torch.tensor([WIDTH, HEIGHT]).view(1, 2, 1, 1)
    straight = F.affine_grid(torch.eye(2, 3).repeat(count, 1, 1), list(pictures.shape), align_corners=False)
    grid = straight + moved.permute(0, 2, 3, 1)
    return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
