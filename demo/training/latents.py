"""A disk cache of encoded pictures, drawn on demand: shards of scenes of one size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from demo.scenes.render import render
from demo.scenes.scene import Scene
from demo.training.codec import Codec

Size = tuple[int, int]


@dataclass
class Latents:
    """The scene with number n has seed n, whatever its size; sizes draw on different numbers."""

    folder: Path
    whole: Codec
    """The fitted codec: disk keeps all its components."""
    channels: int
    """How many of them the model uses."""
    scene_of: Callable[[int], Scene]
    """Of a seed."""
    shard_size: int = 100
    """Pictures in a file."""
    _open: dict[Path, npt.NDArray[np.float16]] = field(default_factory=dict)

    def picture(self, size: Size, number: int) -> npt.NDArray[np.float16]:
        """[channels, height, width] of the scene `number` among those of this size."""
        return self.shard(size, number // self.shard_size)[number % self.shard_size, : self.channels]

    @property
    def codec(self) -> Codec:
        return self.whole.first(self.channels)

    def scene(self, size: Size, number: int) -> Scene:
        return self.scene_of(_seed(size, number))

    def shard(self, size: Size, number: int) -> npt.NDArray[np.float16]:
        """Draws the shard where it is missing; written beside and renamed, so none is ever half written."""
        path = self.folder / f"{size[0]}x{size[1]}" / f"{number:05d}.npy"
        if path not in self._open:
            if not path.exists():
                self._draw(path, size, number)
            self._open[path] = np.load(path, mmap_mode="r")
        return self._open[path]

    def _draw(self, path: Path, size: Size, number: int) -> None:
        first = number * self.shard_size
        pictures = [render(self.scene(size, first + place), *size) for place in range(self.shard_size)]
        encoded = np.stack([self.whole.encode(pixels).numpy().astype(np.float16) for pixels in pictures])
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.stem + ".tmp.npy")
        np.save(beside, encoded)
        beside.replace(path)


def _seed(size: Size, number: int) -> int:
    return (size[0] * 4096 + size[1]) * 10_000_000 + number
