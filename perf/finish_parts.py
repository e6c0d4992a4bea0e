"""The library calls that finishing is made of, bare: same settings, same results, nothing around them."""

import hashlib
import io
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import c2pa
import cv2
import numpy as np
import numpy.typing as npt
import pdqhash
from imagecodecs import jpeg8_encode
from PIL import Image, ImageDraw

from frontend.domain.picture import Credentials, Encoding, Watermark
from frontend.finishing.certificate import load_certificate
from frontend.finishing.encode import encode
from frontend.finishing.fingerprint import fingerprint
from frontend.finishing.manifest import manifest
from frontend.finishing.mark_pixels import pack
from frontend.finishing.stamps import Stamps
from frontend.finishing.watermark import lay
from frontend.finishing.wm_image import read_mark
from frontend.invisible_mark.codes import Codes
from frontend.invisible_mark.content import luma_grid
from frontend.invisible_mark.writing import write
from frontend.settings import Settings

Pixels = npt.NDArray[np.uint8]
SIZE = (1344, 768)
QUALITY = 95
JPEG = Encoding(format="jpeg", quality=QUALITY, lossless=False)


def scene() -> Pixels:
    """Shapes over a sky, with a little grain: compresses about as a drawn picture does."""
    random = np.random.default_rng(3)
    coarse = Image.fromarray(random.integers(60, 200, (5, 8, 3), dtype=np.uint8))
    image = coarse.resize(SIZE, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for x, y, radius in zip(
        random.integers(0, SIZE[0], 60),
        random.integers(0, SIZE[1], 60),
        random.integers(8, 90, 60),
        strict=True,
    ):
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        draw.ellipse((int(x - radius), int(y - radius), int(x + radius), int(y + radius)), fill=colour)
    grain = random.normal(0, 2, (SIZE[1], SIZE[0], 3))
    return np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)


def mark() -> Watermark:
    image = Image.new("RGBA", (600, 200), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((0, 0, 599, 199), fill=(255, 255, 255, 200))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return Watermark(
        image=pack(read_mark(stream.getvalue())),
        position="bottom-right",
        scale=20,
        opacity=100,
        rotation=15,
        padding_x=10,
        padding_y=10,
    )


CREDENTIALS = Credentials(
    gen_id="a1b2c3d4e5f6g7h8i9j0",
    author="Aya",
    title="AI Image",
    description="A lighthouse at dusk",
    organization="",
    vendor="imgen",
    model="eros",
    character="aya",
    seed=1,
    ruleset="default",
    steps=20,
    guidance=6.0,
    invisible_id="9e3779b97f4a7c15",
    when="2026-01-01T00:00:00Z",
)


def parts(pixels: Pixels, codes: Codes, folder: Path) -> Mapping[str, Callable[[], object]]:
    """By stage. What one stage makes for the next is made beforehand; so are stamp and signer."""
    stamp = Image.fromarray(Stamps().stamp(mark(), *SIZE), "RGBa").convert("RGBA")
    corner = (SIZE[0] - stamp.width - 10, SIZE[1] - stamp.height - 10)
    small_size = (384, 219)
    small = np.asarray(cv2.resize(pixels, small_size, interpolation=cv2.INTER_AREA), np.uint8)
    certificate = load_certificate(Settings(data_dir=folder))
    info = c2pa.C2paSignerInfo(certificate.algorithm, certificate.chain, certificate.key, None)
    context = c2pa.Context.from_dict(
        {"version": 1, "builder": {"thumbnail": {"enabled": False}}, "verify": {"verify_after_sign": False}},
        signer=c2pa.Signer.from_info(info),
    )
    statement = manifest(CREDENTIALS)
    jpeg, small_jpeg = _jpeg(pixels, QUALITY, "444"), _jpeg(small, 85, "420")

    def overlay() -> object:
        image = Image.fromarray(pixels)
        image.paste(stamp, corner, stamp)
        return np.asarray(image)

    def sign(data: bytes) -> str:
        signed = io.BytesIO()
        with c2pa.Builder(statement, context) as builder:
            builder.sign("image/jpeg", io.BytesIO(data), signed)
        return hashlib.sha256(signed.getvalue()).hexdigest()

    def thumbnail() -> object:
        resized = cv2.resize(cv2.blur(pixels, (3, 3)), small_size)
        _jpeg(np.asarray(resized, np.uint8), 85, "420")
        return sign(small_jpeg)

    return {
        "mark": overlay,
        "invisible_mark": lambda: write(pixels, int(CREDENTIALS.invisible_id, 16), codes),
        "fingerprint": lambda: (*pdqhash.compute(pixels), luma_grid(pixels)),
        "encode": lambda: _jpeg(pixels, QUALITY, "444"),
        "sign": lambda: sign(jpeg),
        "thumbnail": thumbnail,
    }


def _jpeg(pixels: Pixels, quality: int, subsampling: str) -> bytes:
    return bytes(
        jpeg8_encode(pixels, level=quality, colorspace="RGB", outcolorspace="YCBCR", subsampling=subsampling)
    )


def check_same(made: Mapping[str, object], pixels: Pixels) -> None:
    """Of what each stage of `parts` made: the same as finishing's own stages. Raises SystemExit."""
    words, quality, _ = np.asarray(made["fingerprint"], object)
    digits = np.packbits(words.astype(np.uint8)).tobytes().hex()
    laid = lay(pixels, mark(), Stamps()).astype(int)
    same = {
        "mark": np.abs(laid - np.asarray(made["mark"], int)).max() <= 2,
        "invisible_mark": np.asarray(made["invisible_mark"]).shape == pixels.shape,
        "fingerprint": (digits, quality) == tuple(fingerprint(pixels)),
        "encode": made["encode"] == encode(pixels, JPEG).data,
    }
    if other := [stage for stage, alike in same.items() if not alike]:
        sys.exit(f"finishing and the bare calls make different things: {', '.join(other)}")
