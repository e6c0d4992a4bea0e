import io

import cv2
import numpy as np
import pytest
from PIL import Image

from contract.sizes import SIZES
from frontend.domain.picture import Encoding, File
from frontend.finishing.encode import encode
from frontend.finishing.thumbnail import LONG_SIDE, thumbnail

from .pictures import scene

FORMATS = ["jpeg", "png", "webp", "avif"]
LOSSLESS = [("png", False), ("webp", True), ("avif", True)]


def opened(file: File) -> Image.Image:
    image = Image.open(io.BytesIO(file.data))
    image.load()
    return image


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("quality", [1, 50, 95, 100])
def test_file_is_of_its_format_and_size(kind: str, quality: int) -> None:
    file = encode(scene(), Encoding(format=kind, quality=quality, lossless=False))
    image = opened(file)
    assert (image.format, image.size, image.mode) == (kind.upper(), (336, 192), "RGB")
    assert file.media_type == f"image/{kind}"
    assert file.extension == {"jpeg": "jpg"}.get(kind, kind)


@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
def test_higher_quality_is_closer_and_larger(kind: str) -> None:
    low, high = (encode(scene(), Encoding(format=kind, quality=q, lossless=False)) for q in (20, 95))
    errors = [np.abs(np.asarray(opened(file)).astype(int) - scene()).mean() for file in (low, high)]
    assert errors[1] < errors[0]
    assert len(low.data) < len(high.data)


@pytest.mark.parametrize(("kind", "lossless"), LOSSLESS)
@pytest.mark.parametrize("size", [(336, 192), (37, 23), (1, 1)])
def test_lossless_is_bit_exact(kind: str, lossless: bool, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = encode(noise, Encoding(format=kind, quality=1, lossless=lossless))
    assert (np.asarray(opened(file)) == noise).all()


@pytest.mark.parametrize("kind", FORMATS)
def test_no_metadata_goes_in(kind: str) -> None:
    info = opened(encode(scene(), Encoding(format=kind, quality=95, lossless=False))).info
    assert not set(info) & {"exif", "xmp", "icc_profile", "comment", "Software", "XML:com.adobe.xmp"}


@pytest.mark.parametrize("lossless", [False, True])
def test_avif_says_srgb(lossless: bool) -> None:
    data = encode(scene(), Encoding(format="avif", quality=95, lossless=lossless)).data
    colour = data[data.index(b"colrnclx") + 8 :]
    assert (colour[:4], colour[6] >> 7) == (b"\0\1\0\x0d", 1)  # BT.709 primaries, sRGB curve, full range


@pytest.mark.parametrize(
    ("quality", "lossless", "full"),
    [(95, False, False), (96, False, True), (60, False, False), (60, True, True)],
)
def test_avif_keeps_full_colour_above_the_default_quality_only(
    quality: int, lossless: bool, full: bool
) -> None:
    data = encode(scene(), Encoding(format="avif", quality=quality, lossless=lossless)).data
    box = data[data.index(b"av1C") + 4 :]
    halved = (box[2] >> 3 & 1, box[2] >> 2 & 1)  # chroma_subsampling_x, _y
    assert halved == ((0, 0) if full else (1, 1))


def test_png_says_srgb() -> None:
    assert opened(encode(scene(), Encoding(format="png", quality=95, lossless=False))).info["srgb"] == 0


@pytest.mark.parametrize("kind", FORMATS)
def test_same_pixels_give_the_same_bytes(kind: str) -> None:
    encoding = Encoding(format=kind, quality=95, lossless=False)
    assert encode(scene(), encoding) == encode(scene(), encoding)


@pytest.mark.parametrize("size", [*SIZES, (1400, 600), (600, 500), (385, 200)])
def test_thumbnail_s_pixel_is_the_mean_of_those_that_it_stands_for(size: tuple[int, int]) -> None:
    """To an eye: JPEG of the thumbnail's quality is off by more."""
    pixels = scene(*size)
    small = np.asarray(opened(thumbnail(pixels, Encoding(format="png", quality=95, lossless=False))))
    means = cv2.resize(pixels, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert cv2.PSNR(means, small) > 45


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("size", "small"), [((1344, 768), (384, 219)), ((768, 1344), (219, 384)), ((64, 32), (64, 32))]
)
def test_thumbnail_keeps_aspect_and_format(kind: str, size: tuple[int, int], small: tuple[int, int]) -> None:
    image = opened(thumbnail(scene(*size), Encoding(format=kind, quality=95, lossless=True)))
    assert (image.format, image.size) == (kind.upper(), small)
    assert max(image.size) <= LONG_SIDE


@pytest.mark.parametrize(
    ("quality", "subsampling"), [(95, "4:4:4"), (90, "4:4:4"), (89, "4:2:0"), (1, "4:2:0")]
)
def test_jpeg_is_what_pillow_would_write(quality: int, subsampling: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(scene()).save(stream, "JPEG", quality=quality, subsampling=subsampling)
    theirs = np.asarray(Image.open(stream)).astype(int)
    ours = np.asarray(opened(encode(scene(), Encoding(format="jpeg", quality=quality, lossless=False))))
    assert np.abs(ours - theirs).max() == 0
