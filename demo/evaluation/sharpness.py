"""Where sharpness is lost: the gradient energy of pictures beside the generator's own, in three bands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch.nn import functional as F

from demo.scenes.render import Pixels

BANDS = ("1 to 2 px", "2 to 4 px", "4 to 8 px")


def energies(pixels: Pixels) -> torch.Tensor:
    """[3], from fine to coarse: mean squared gradient of what lies between a scale and the next one."""
    picture = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    return torch.stack(
        [one.diff(dim=-1).square().mean() + one.diff(dim=-2).square().mean() for one in details(picture)]
    )


def details(pictures: torch.Tensor) -> Iterator[torch.Tensor]:
    """[B, 3, H, W] to what lies in each band, each half the size of the one before."""
    for _ in BANDS:
        coarser = F.avg_pool2d(pictures, 2)
        yield pictures - F.interpolate(coarser, pictures.shape[2:], mode="bilinear")
        pictures = coarser


def share(drawn: Iterable[Pixels], real: Iterable[Pixels]) -> list[float]:
    """Of the real pictures' energy, in each band; 1 is as sharp as they."""
    one, other = (torch.stack([energies(pixels) for pixels in all_]).sum(0) for all_ in (drawn, real))
    return [round(value, 3) for value in (one / other).tolist()]
