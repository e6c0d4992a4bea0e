import io

import numpy as np
import pytest
from PIL import Image

from contract.formats import BY_EXTENSION, FORMATS
from frontend.domain.picture import Encoding
from frontend.finishing.encode import encode

PIXELS = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)


@pytest.mark.parametrize("name", FORMATS)
def test_row_says_what_the_encoder_does(name: str) -> None:
    row = FORMATS[name]

    def made(quality: int, lossless: bool) -> bytes:
        return encode(PIXELS, Encoding(format=name, quality=quality, lossless=lossless)).data

    assert (made(30, False) != made(90, False)) == row.quality
    assert (made(30, False) != made(30, True)) == row.lossless
    with Image.open(io.BytesIO(made(90, False))) as picture:
        assert Image.MIME[picture.format or ""] == row.media_type
    assert BY_EXTENSION[row.extension] is row


def test_encoder_gives_the_rows_type_and_extension() -> None:
    for name, row in FORMATS.items():
        file = encode(PIXELS, Encoding(format=name, quality=80, lossless=False))
        assert (file.media_type, file.extension) == (row.media_type, row.extension)
