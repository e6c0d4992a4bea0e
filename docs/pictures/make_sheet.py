"""Makes the README's sheet from the server that `imgen up` runs here: python docs/pictures/make_sheet.py

Real answers of the API, first seed, nothing picked by hand.
"""

import argparse
import io
from pathlib import Path

from PIL import Image
from rich.progress import track

from cli.client import ServerAccess

PROMPTS = (
    ("@aya waving, on the beach", "professional"),
    ("a red car on the beach, sunny", "professional"),
    ("@bella waving, in the forest", "professional"),
    ("three red mushrooms in the forest", "papercut"),
    ("@mira waving, in a meadow", "professional"),
    ("a blue house in the mountains", "outline"),
    ("@tomo reading a book on the beach", "professional"),
    ("@aya in the city at night", "neon"),
    ("a white boat on the beach, at sunset", "watercolour"),
    ("@bella sitting in the desert", "papercut"),
    ("@aya reading a book under a tree, warm lighting, -rain", "professional"),
    ("a black bus in the city at night", "professional"),
)
COLUMNS, WIDTH, HEIGHT, GAP = 3, 448, 256, 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("sheet.jpg"))
    output = parser.parse_args().output
    rows = -(-len(PROMPTS) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (WIDTH + GAP) - GAP, rows * (HEIGHT + GAP) - GAP), "white")
    for number, (prompt, style) in enumerate(track(PROMPTS, "drawing")):
        with ServerAccess.find(None, None).open() as client:
            drawn = client.generate(prompt, style=style, seed=1).wait()
        picture = Image.open(io.BytesIO(drawn.bytes))
        row, column = divmod(number, COLUMNS)
        small = picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        sheet.paste(small, (column * (WIDTH + GAP), row * (HEIGHT + GAP)))
    sheet.save(output, quality=88)


if __name__ == "__main__":
    main()
