"""Makes docs/provenance.md's gallery of the invisible mark, from the benchmark's own pictures:

    .venv/parts/bench-watermark/bin/python -m docs.pictures.make_mark_gallery

Four times enlarged without smoothing; beside the gallery it prints how far lightness moves in each piece.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from skimage.color import rgb2lab

from frontend.invisible_mark.codes import Codes
from frontend.invisible_mark.writing import CHIP, strength, write
from perf.watermark.pictures import Sample, samples

Pixels = npt.NDArray[np.uint8]
CODES = Codes.of(b"the gallery's own secret, 32 byte")
IDENTITY = 0x9E3779B97F4A7C15
ZOOM, GAIN = 4, 20
WIDE, HIGH = 128, 72  # of a piece, in the picture's pixels
GAP, CAPTION = 8, 46
COLUMNS = ("unmarked", "marked", f"difference x {GAIN}")
FONT_SIZE = 18


@dataclass(frozen=True)
class Piece:
    """A picture of the benchmark, and where the piece of it that is shown begins."""

    name: str
    left: int
    top: int

    def of(self, pixels: Pixels) -> Pixels:
        return pixels[self.top : self.top + HIGH, self.left : self.left + WIDE]


PIECES = (
    Piece("chelsea", 392, 260),
    Piece("a red car on the beach", 520, 340),
    Piece("scene 3", 280, 172),
    Piece("page 0", 28, 40),
    Piece("gradient 0", 300, 300),
    Piece("gradient 2", 300, 640),
)


@dataclass(frozen=True)
class Row:
    """What one line of the gallery shows and says."""

    title: str
    facts: str
    cells: tuple[Pixels, Pixels, Pixels]  # [HIGH, WIDE, 3] each


def row_of(sample: Sample, piece: Piece) -> Row:
    marked = write(sample.pixels, IDENTITY, CODES)
    before, after = piece.of(sample.pixels), piece.of(marked)
    change = after.astype(np.int16) - before
    return Row(
        title=f"{sample.kind}: {sample.name}, {sample.pixels.shape[1]}x{sample.pixels.shape[0]}",
        facts=f"PSNR of the whole {_psnr(sample.pixels, marked):.1f} dB; here: strength "
        f"{_strengths(sample.pixels, piece)} grey levels, lightness moves by {_lightness(before, after)}",
        cells=(before, after, np.clip(128 + GAIN * change, 0, 255).astype(np.uint8)),
    )


def _psnr(before: Pixels, after: Pixels) -> float:
    return float(10 * np.log10(255**2 / np.square(after.astype(np.float64) - before).mean()))


def _strengths(pixels: Pixels, piece: Piece) -> str:
    """Of the chips in the piece, weakest to strongest."""
    rows, columns = (-(-side // CHIP) for side in pixels.shape[:2])
    top, left = piece.top // CHIP, piece.left // CHIP
    here = strength(pixels, rows, columns)[top : top + HIGH // CHIP, left : left + WIDE // CHIP]
    return f"{here.min():.1f} to {here.max():.1f}"


def _lightness(before: Pixels, after: Pixels) -> str:
    """CIE L*, whose unit is about the least step that an eye sees between two large even areas."""
    change = rgb2lab(after)[..., 0] - rgb2lab(before)[..., 0]
    return f"{np.sqrt(np.square(change).mean()):.2f} L* (rms), {np.abs(change).max():.1f} at most"


def gallery(rows: Sequence[Row]) -> Image.Image:
    across, down = ZOOM * WIDE + GAP, ZOOM * HIGH + CAPTION + GAP
    sheet = Image.new("RGB", (GAP + len(COLUMNS) * across, GAP + len(rows) * down), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_SIZE)
    for number, row in enumerate(rows):
        top = GAP + number * down
        pen.text((GAP, top), f"{row.title}: {', '.join(COLUMNS)}", fill="black", font=font)
        pen.text((GAP, top + CAPTION // 2), row.facts, fill="black", font=font)
        for column, cell in enumerate(row.cells):
            large = Image.fromarray(cell).resize((ZOOM * WIDE, ZOOM * HIGH), Image.Resampling.NEAREST)
            sheet.paste(large, (GAP + column * across, top + CAPTION))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("invisible-mark.png"))
    output = parser.parse_args().output
    pieces = {piece.name: piece for piece in PIECES}
    rows = [row_of(sample, pieces[sample.name]) for sample in samples(pieces)]
    for row in rows:
        print(f"{row.title}\n  {row.facts}")
    gallery(rows).save(output, optimize=True)


if __name__ == "__main__":
    main()
