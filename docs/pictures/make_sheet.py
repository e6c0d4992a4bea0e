"""Makes the README's sheet from the server that `imgen up` runs here: python docs/pictures/make_sheet.py

Real answers of the API, first seed, nothing picked by hand.
"""

import argparse
import io
from pathlib import Path

from PIL import Image
from rich.progress import track

from cli.client import Client
from cli.generate import await_picture

PROMPTS = (
    ("@aya reading a book in a meadow, warm lighting, -rain", "professional"),
    ("a red car on the beach, sunny", "professional"),
    ("@bella waving, in the forest", "professional"),
    ("two yellow cats in a room", "boudoir"),
    ("a blue house in the mountains", "outline"),
    ("@tomo in the city at night", "neon"),
    ("a white boat on the beach, at sunset", "watercolour"),
    ("@mira holding a balloon in a meadow", "papercut"),
    ("a pink castle in the snow", "boudoir"),
)
COLUMNS, WIDTH, HEIGHT, GAP = 3, 448, 256, 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("sheet.jpg"))
    output = parser.parse_args().output
    client = Client.find(None, None)
    rows = -(-len(PROMPTS) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (WIDTH + GAP) - GAP, rows * (HEIGHT + GAP) - GAP), "white")
    for number, (prompt, style) in enumerate(track(PROMPTS, "drawing")):
        job = client.call({"action": "generate", "prompt": prompt, "style": style, "seed": 1})
        meta = await_picture(client, job["id"])
        picture = Image.open(io.BytesIO(client.download(meta["images"][0]["url"])))
        row, column = divmod(number, COLUMNS)
        small = picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        sheet.paste(small, (column * (WIDTH + GAP), row * (HEIGHT + GAP)))
    sheet.save(output, quality=88)


if __name__ == "__main__":
    main()
