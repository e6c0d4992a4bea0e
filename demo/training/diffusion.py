"""Trains the text encoders and the UNet together. Every step's data and noise follow from its number alone,
so a run that was killed and resumed ends with the same bits as one that was not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from demo.training import checkpoint, flow, negation
from demo.training.averages import Averages
from demo.training.batches import batch
from demo.training.config import Config
from demo.training.latents import Latents
from demo.training.negation import Twins
from demo.training.pipeline import Pipeline

WARM_UP = 100


@dataclass
class Run:
    pipeline: Pipeline
    config: Config
    latents: Latents
    twins: Twins
    path: Path
    """Of the checkpoint."""
    step: int = 0
    averages: Averages = field(init=False)
    optimiser: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        module = self.pipeline.trained()
        self.averages = Averages(module)
        self.optimiser = torch.optim.AdamW(
            module.parameters(), lr=self.config.learning_rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        state = checkpoint.read(self.path)
        if state is not None:
            module.load_state_dict(state["model"])
            self.averages.values = state["averages"]
            self.optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]

    def save(self) -> None:
        state = {
            "model": self.pipeline.trained().state_dict(),
            "averages": self.averages.values,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        checkpoint.write(state, self.path)


@dataclass(frozen=True)
class Report:
    step: int
    loss: float
    samples: int
    seconds: float


def train(run: Run, steps: int) -> Iterator[Report]:
    """Runs to step number `steps`; the caller saves, samples and reports between two steps."""
    module = run.pipeline.trained().train()
    while run.step < steps:
        begin = time.monotonic()
        for group in run.optimiser.param_groups:
            group["lr"] = rate(run.step, run.config)
        value, samples = _loss(run)
        run.optimiser.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        run.optimiser.step()
        run.averages.update(module, run.step)
        run.step += 1
        yield Report(run.step, value.item(), samples, time.monotonic() - begin)


def _loss(run: Run) -> tuple[torch.Tensor, int]:
    """And of how many pictures."""
    if run.step % run.config.negative_every == run.config.negative_every - 1:
        return negation.loss(run.pipeline, run.twins, run.config, run.step)
    drawn = batch(run.latents, run.config, run.step)
    return flow.loss(run.pipeline, drawn, run.latents.codec.weights), len(drawn.captions)


def rate(step: int, config: Config) -> float:
    left = (config.steps - step) / (config.cool_down * config.steps)
    return config.learning_rate * min(1.0, (step + 1) / WARM_UP, max(left, 0.0))
