"""Trains the demo model: `python -m demo.train base`. See demo/README.md.

Every command goes on from its last checkpoint, and may be killed at any moment.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from demo.scenes.looks import CHARACTERS
from demo.scenes.render import render
from demo.scenes.scene import any_scene
from demo.training import (
    checkpoint,
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
from demo.training.config import CONFIGS, FULL_SIZES, HALF_SIZES, Config, further
from demo.training.diffusion import Report
from demo.training.preview import character_preview, preview
from demo.training.workplace import BUILD, CODEC, Workplace
from export.model import REPORTS, export_checkpoint
from export.repository.finished_stages import KEY_FILE

SAVE_SECONDS = 240.0
DECODER_SAVE_STEPS = 200
FITTED = 240
"""Pictures behind the codec."""
_CODEC_SEED = 9_000_000
LORAS = Path(__file__).parent / "loras"


@dataclass(frozen=True)
class Release:
    """Where what is released goes."""

    models: Path = released.MODELS
    loras: Path = LORAS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("codec", "base", "diffusion", "decoder", "pipeline", "loras", "models", "all")
    parser.add_argument("part", choices=parts)
    parser.add_argument("--config", choices=tuple(CONFIGS), default="cpu")
    parser.add_argument(
        "--preview-steps", type=int, default=500, help="optimiser steps between two sample sheets"
    )
    parser.add_argument("--steps", type=int, help="end (and cool down) at this step instead of the config's")
    parser.add_argument("--character", choices=tuple(CHARACTERS), help="train this character's LoRA alone")
    parser.add_argument(
        "--go-on", action="store_true", help="begin with the weights in demo/models, at the served sizes"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = CONFIGS[options.config]
    if options.go_on:
        config = further(config)
    if options.steps:
        part = "decoder_steps" if options.part == "decoder" else "steps"
        config = replace(config, **{part: options.steps})
    place = Workplace(config, released=released.restore(BUILD) if options.go_on else None)
    if options.part == "codec":
        fit_codec()
    if options.part == "base":
        train_base(place, options.preview_steps)
    if options.part == "diffusion":
        train_diffusion(place, options.preview_steps)
    if options.part == "decoder":
        train_decoder(place)
    if options.part == "pipeline":
        print(write_pipeline(place))
    if options.part == "loras":
        for name in (options.character,) if options.character else CHARACTERS:
            train_lora(place, name, LORAS)
    if options.part == "models":
        write_models(place, released.MODELS)
    if options.part == "all":
        train_all(place, further(config), Release(), options.preview_steps)


def train_all(place: Workplace, later: Config, release: Release, preview_steps: int) -> None:
    """What is released: the base; its fine parts, at the sizes that are served; the characters, over the
    weights as they are shipped."""
    train_base(place, preview_steps)
    on = replace(place, config=later, released=write_pipeline(place))
    train_diffusion(on, preview_steps)
    train_decoder(on)
    write_pipeline(on)
    for name in CHARACTERS:
        train_lora(on, name, release.loras)
    write_models(on, release.models)


def fit_codec() -> None:
    """Every weight of the model depends on it: train all of them anew then."""
    sizes = islice(cycle(HALF_SIZES + FULL_SIZES[:3]), FITTED)
    codec.fit(render(any_scene(seed), *size) for seed, size in enumerate(sizes, _CODEC_SEED)).save(CODEC)


def train_base(place: Workplace, preview_steps: int) -> None:
    """Diffusion and decoder in turn on the one thread, so that both are usable at any time."""
    decoder = open_decoder(place)
    ahead = decoding.train(decoder, place.config.decoder_steps)
    for report in _diffusion(place, preview_steps):
        while decoder.step < report.step * place.config.decoder_steps // place.config.steps:
            next(ahead)
        if report.step % DECODER_SAVE_STEPS == 0:
            decoder.save()
    decoder.save()


def train_diffusion(place: Workplace, preview_steps: int) -> None:
    for _ in _diffusion(place, preview_steps):
        pass


def _diffusion(place: Workplace, preview_steps: int) -> Iterator[Report]:
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
    """On what the denoiser draws by now: train that first."""
    run = open_decoder(place, averaged(place))
    for _ in _shown(
        decoding.train(run, place.config.decoder_steps), "decoder", run.step, place.config.decoder_steps
    ):
        if _due():
            run.save()
    run.save()


def write_pipeline(place: Workplace) -> Path:
    """The text encoders, the UNet and the decoder as a diffusers folder."""
    decoder = open_decoder(place)
    decoder.autoencoder.load_state_dict(decoder.averages.values)
    return pipeline.save(averaged(place), decoder.autoencoder, place.pipeline)


def train_lora(place: Workplace, name: str, folder: Path) -> None:
    """Over the pipeline's folder, which must not change meanwhile: a LoRA that was begun goes on."""
    base = pipeline.build(place.config, place.tokenizers())
    released.start(base, place.pipeline)
    latents, path, steps = place.character_latents(name), place.lora_checkpoint(name), place.config.lora_steps
    run = lora.LoraRun(base, place.config, latents, place.latents(), path)
    for _ in _shown(lora.train(run, steps), name, run.step, steps):
        if _due():
            run.save()
    run.save()
    lora.save(base.unet, folder / f"{name}.safetensors")
    character_preview(base, place, name)


def write_models(place: Workplace, models: Path) -> None:
    """The pipeline's folder as a repository. What only a later export of the same would read is left out."""
    for folder in export_checkpoint(place.pipeline, released.NAME, models):
        (folder / KEY_FILE).unlink()
    shutil.rmtree(models / REPORTS)


def open_diffusion(place: Workplace) -> diffusion.Run:
    return diffusion.Run(_begun(place), place.config, place.latents(), place.twins(), place.checkpoint)


def _begun(place: Workplace) -> pipeline.Pipeline:
    """Text encoders and UNet as training begins with them."""
    torch.manual_seed(0)
    parts = pipeline.build(place.config, place.tokenizers())
    if place.released:
        released.start(parts, place.released)
    else:
        text_start.start(parts)
        unet_start.start(parts.unet)
    return parts


def open_decoder(place: Workplace, denoiser: pipeline.Pipeline | None = None) -> decoding.DecoderRun:
    torch.manual_seed(0)
    autoencoder, codec = pipeline.build_autoencoder(place.config), place.codec()
    if place.released:
        released.start_decoder(autoencoder, place.released)
    else:
        decoder_start.start(autoencoder, codec)
    return decoding.DecoderRun(autoencoder, place.config, codec, place.decoder_checkpoint, denoiser)


def averaged(place: Workplace) -> pipeline.Pipeline:
    """Text encoders and UNet as trained so far."""
    parts, state = _begun(place), checkpoint.read(place.checkpoint)
    if state is not None:
        parts.trained().load_state_dict(state["averages"])
    parts.trained().requires_grad_(False).eval()
    return parts


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
