"""Trains the demo model: `python -m demo.train base`. See demo/README.md.

Every command goes on from its last checkpoint, and may be killed at any moment.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from demo.scenes.looks import CHARACTERS
from demo.scenes.render import render
from demo.scenes.scene import any_scene
from demo.training import (
    codec,
    decoder_start,
    decoding,
    diffusion,
    lora,
    pipeline,
    released,
    text_start,
    unet_start,
)
from demo.training.config import CONFIGS, FULL_SIZES, HALF_SIZES, ON
from demo.training.diffusion import Report
from demo.training.preview import character_preview, preview
from demo.training.workplace import BUILD, CODEC, Workplace

SAVE_SECONDS = 240.0
DECODER_SAVE_STEPS = 200
FITTED = 240
"""Pictures behind the codec."""
_CODEC_SEED = 9_000_000
LORAS = Path(__file__).parent / "loras"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("codec", "base", "diffusion", "decoder", "pipeline", "loras", "all")
    parser.add_argument("part", choices=parts)
    parser.add_argument("--config", choices=tuple(CONFIGS), default="cpu")
    parser.add_argument(
        "--preview-steps", type=int, default=500, help="optimiser steps between two sample sheets"
    )
    parser.add_argument("--steps", type=int, help="end (and cool down) at this step instead of the config's")
    parser.add_argument("--character", choices=tuple(CHARACTERS), help="train this character's LoRA alone")
    parser.add_argument(
        "--go-on", action="store_true", help="begin with the weights in demo/models (config cpu)"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = ON if options.go_on else CONFIGS[options.config]
    config = replace(config, steps=options.steps or config.steps)
    place = Workplace(config, released=released.restore(BUILD) if options.go_on else None)
    if options.part == "codec":
        fit_codec()
    if options.part in ("base", "all"):
        train_base(place, options.preview_steps)
    if options.part == "diffusion":
        for _ in train_diffusion(place, options.preview_steps):
            pass
    if options.part == "decoder":
        train_decoder(place)
    if options.part in ("pipeline", "all"):
        print(write_pipeline(place))
    if options.part in ("loras", "all"):
        for name in (options.character,) if options.character else CHARACTERS:
            train_lora(place, name)


def fit_codec() -> None:
    """Every weight of the model depends on it: train all of them anew then."""
    sizes = islice(cycle(HALF_SIZES + FULL_SIZES[:3]), FITTED)
    codec.fit(render(any_scene(seed), *size) for seed, size in enumerate(sizes, _CODEC_SEED)).save(CODEC)


def train_base(place: Workplace, preview_steps: int) -> None:
    """Diffusion and decoder in turn on the one thread, so that both are usable at any time."""
    decoder = open_decoder(place)
    ahead = decoding.train(decoder, place.config.decoder_steps)
    for report in train_diffusion(place, preview_steps):
        while decoder.step < report.step * place.config.decoder_steps // place.config.steps:
            next(ahead)
        if report.step % DECODER_SAVE_STEPS == 0:
            decoder.save()
    decoder.save()


def train_diffusion(place: Workplace, preview_steps: int) -> Iterator[Report]:
    run = open_diffusion(place)
    for report in _shown(diffusion.train(run, place.config.steps), "diffusion", run.step, place.config.steps):
        if report.step % preview_steps == 0:
            run.save()
            preview(run, place)
        elif _due():
            run.save()
        yield report
    run.save()


def train_decoder(place: Workplace) -> None:
    run = open_decoder(place)
    for _ in _shown(
        decoding.train(run, place.config.decoder_steps), "decoder", run.step, place.config.decoder_steps
    ):
        if _due():
            run.save()
    run.save()


def open_base(place: Workplace) -> diffusion.Run:
    """With the weights that are shipped."""
    base = open_diffusion(place)
    base.pipeline.trained().load_state_dict(base.averages.values)
    return base


def write_pipeline(place: Workplace) -> str:
    """The result of all trainings as a diffusers folder."""
    run, decoder = open_base(place), open_decoder(place)
    decoder.autoencoder.load_state_dict(decoder.averages.values)
    return str(pipeline.save(run.pipeline, decoder.autoencoder, place.pipeline))


def train_lora(place: Workplace, name: str) -> None:
    """Over the base as it is then: a LoRA that was begun goes on, so the base must not change meanwhile."""
    base, steps = open_base(place), place.config.lora_steps
    latents, path = place.character_latents(name), place.lora_checkpoint(name)
    run = lora.LoraRun(base.pipeline, place.config, latents, base.latents, path)
    for _ in _shown(lora.train(run, steps), name, run.step, steps):
        if _due():
            run.save()
    run.save()
    lora.save(base.pipeline.unet, LORAS / f"{name}.safetensors")
    character_preview(base.pipeline, place, name)


def open_diffusion(place: Workplace) -> diffusion.Run:
    torch.manual_seed(0)
    parts = pipeline.build(place.config, place.tokenizers())
    if place.released:
        released.start(parts, place.released)
    else:
        text_start.start(parts)
        unet_start.start(parts.unet)
    return diffusion.Run(parts, place.config, place.latents(), place.twins(), place.checkpoint)


def open_decoder(place: Workplace) -> decoding.DecoderRun:
    torch.manual_seed(0)
    autoencoder, codec = pipeline.build_autoencoder(place.config), place.codec()
    if place.released:
        released.start_decoder(autoencoder, place.released)
    else:
        decoder_start.start(autoencoder, codec)
    return decoding.DecoderRun(autoencoder, place.config, codec, place.decoder_checkpoint)


def _shown(reports: Iterator[Report], name: str, step: int, steps: int) -> Iterator[Report]:
    """Passes reports on under a progress bar; in a log file, one line a minute."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    average, told = 0.0, time.monotonic()
    with Progress(*columns) as bar:
        task = bar.add_task(name, total=steps, completed=step)
        for report in reports:
            average = report.loss if average == 0.0 else 0.98 * average + 0.02 * report.loss
            words = f"{name} loss {average:.4f}, {report.samples / report.seconds:.1f} samples/s"
            bar.update(task, completed=report.step, description=words)
            if not bar.console.is_terminal and time.monotonic() - told > 60:
                told = time.monotonic()
                print(f"step {report.step}/{steps} {words}", flush=True)
            yield report


_saved = time.monotonic()


def _due() -> bool:
    global _saved
    if time.monotonic() - _saved < SAVE_SECONDS:
        return False
    _saved = time.monotonic()
    return True


if __name__ == "__main__":
    main()
