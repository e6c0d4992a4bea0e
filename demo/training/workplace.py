"""Where training keeps its files: `demo/build/`, which git ignores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from demo.scenes.caption import caption
from demo.scenes.fillers import QUALITY, WORDS, flaws
from demo.scenes.looks import CHARACTERS
from demo.scenes.scene import Scene, any_scene, character_scene, lesser_scene, whole_scene
from demo.training import tokenizer
from demo.training.choices import CHOICES
from demo.training.codec import Codec
from demo.training.config import Config
from demo.training.latents import Latents
from demo.training.negation import Twins

BUILD = Path(__file__).parents[1] / "build"
CODEC = BUILD.parent / "codec.safetensors"
SPOKEN = 20_000
"""Captions behind the vocabulary."""
_CAPTION_SEED = 7_000_000


@dataclass(frozen=True)
class Workplace:
    config: Config
    build: Path = BUILD
    released: Path | None = None
    """A diffusers folder whose weights training begins with; None: from scratch."""
    codec_file: Path = CODEC

    @property
    def checkpoint(self) -> Path:
        return self._own / "diffusion.pt"

    @property
    def decoder_checkpoint(self) -> Path:
        return self._own / "decoder.pt"

    def lora_checkpoint(self, name: str) -> Path:
        return self._own / f"lora-{name}.pt"

    @property
    def sheets(self) -> Path:
        return self._own / "sheets"

    @property
    def pipeline(self) -> Path:
        """The diffusers folder; one to begin with has another name."""
        return self.build / (self.config.name if self.released else f"{self.config.name}-base")

    @property
    def _own(self) -> Path:
        on = f"-on-{self.released.name}" if self.released else ""
        return self.build / f"work-{self.config.name}{on}"

    def codec(self) -> Codec:
        """The components that this model uses."""
        return Codec.load(self.codec_file).first(self.config.latent_channels)

    def _latents(self, folder: Path, scene_of: Callable[[int], Scene], shard: int) -> Latents:
        return Latents(folder, Codec.load(self.codec_file), self.config.latent_channels, scene_of, shard)

    def tokenizers(self) -> Path:
        folder = self.build / "shared"
        if not (folder / "tokenizer_2" / "tokenizer.json").exists():
            tokenizer.learn(corpus(), folder)
        return folder

    def latents(self) -> Latents:
        folder = self.build / "shared" / f"latents-{self.config.name}"
        return self._latents(folder, partial(any_scene, choice=CHOICES[self.config.name]), 100)

    def twins(self) -> Twins:
        folder, choice = self.build / "shared", CHOICES[self.config.name]
        whole, less = (
            self._latents(folder / f"latents-{self.config.name}-{name}", partial(scene, choice=choice), 10)
            for name, scene in (("whole", whole_scene), ("less", lesser_scene))
        )
        return Twins(whole, less)

    def character_latents(self, name: str) -> Latents:
        folder = self.build / "shared" / f"latents-{self.config.name}-{name}"
        return self._latents(folder, partial(character_scene, name, choice=CHOICES[self.config.name]), 25)


def corpus() -> Iterator[str]:
    for number in range(SPOKEN):
        random = Random(number)
        yield caption(any_scene(_CAPTION_SEED + number), random)
        yield flaws(random)
    yield from (*WORDS, *QUALITY, *CHARACTERS) * 30
