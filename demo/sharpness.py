"""Measures where sharpness is lost: `python -m demo.sharpness`. See demo/README.md.

The codec alone, the trained decoder alone (both from the true latents), and the denoiser alone (its pictures
beside those that the same decoder makes of true latents).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from random import Random

import torch
from diffusers import AutoencoderKL

from demo.evaluation.sharpness import BANDS, share
from demo.scenes.caption import caption
from demo.scenes.render import render
from demo.scenes.scene import any_scene
from demo.training import decoding, flow, pipeline
from demo.training.choices import CHOICES
from demo.training.config import CPU, FULL_SIZES
from demo.training.released import restore, start
from demo.training.workplace import BUILD, Workplace

SEED = 50_000_000
"""Of scenes that nothing was trained on."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="pictures")
    parser.add_argument("--folder", type=Path, help="a diffusers folder; the released weights without it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.folder or restore(BUILD)
    place = Workplace(CPU, released=folder)
    codec, size = place.codec(), FULL_SIZES[0]
    autoencoder = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32)
    parts = pipeline.build(CPU, folder)
    start(parts, folder)
    scenes = [any_scene(SEED + number, CHOICES["cpu"]) for number in range(options.count)]
    real = [render(scene, *size) for scene in scenes]
    latents = torch.stack([codec.encode(pixels) for pixels in real])
    decoded = decoding.decode(autoencoder, latents)
    captions = [caption(scene, Random(number)) for number, scene in enumerate(scenes)]
    sampled = torch.cat(
        [flow.sample(parts, [words], size, steps=10, seed=seed) for seed, words in enumerate(captions)]
    )
    print("bands:", BANDS)
    print("codec alone:   ", share([codec.decode(one) for one in latents], real))
    print("decoder alone: ", share(decoded, real))
    print("denoiser alone:", share(decoding.decode(autoencoder, sampled), decoded))


if __name__ == "__main__":
    main()
