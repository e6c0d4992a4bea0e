"""Small pictures, marks and orders that the tests of finishing share."""

import base64
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from frontend.domain.picture import Credentials, Watermark
from frontend.finishing.mark_pixels import pack
from frontend.finishing.wm_image import read_mark

RED = (255, 0, 0, 255)


def scene(width: int = 336, height: int = 192) -> npt.NDArray[np.uint8]:
    """Smooth colours with some texture, like a picture; uint8 [height, width, 3]."""
    random = np.random.default_rng(7)
    coarse = Image.fromarray(random.integers(0, 256, (12, 21, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    textured: npt.NDArray[np.int64] = smooth + random.integers(-6, 7, smooth.shape)
    return np.clip(textured, 0, 255).astype(np.uint8)


def black(width: int = 200, height: int = 100) -> npt.NDArray[np.uint8]:
    return np.zeros((height, width, 3), np.uint8)


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def block(width: int = 40, height: int = 20, colour: tuple[int, int, int, int] = RED) -> bytes:
    """A PNG of one colour."""
    return file_of(Image.new("RGBA", (width, height), colour))


def data_uri(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def mark(image: bytes = b"", **changes: Any) -> Watermark:
    values: dict[str, Any] = {
        "image": pack(read_mark(image or block())),
        "position": "bottom-right",
        "scale": 10,
        "opacity": 100,
        "rotation": 0,
        "padding_x": 10,
        "padding_y": 10,
    }
    return Watermark(**values | changes)


def credentials(**changes: Any) -> Credentials:
    values: dict[str, Any] = {
        "gen_id": "a1b2c3d4e5f6g7h8i9j0",
        "author": "Aya",
        "title": "AI Image",
        "description": "A lighthouse at dusk",
        "organization": "Harbour Prints",
        "vendor": "imgen",
        "model": "eros",
        "character": "aya",
        "rights": "consent:file-7",
        "depicts": "adult",
        "seed": 2**63 - 1,
        "ruleset": "default",
        "weights": {"engine": "e" * 64, "lora": "c" * 64},
        "runtime": "openvino 2026.4.1 bf16",
        "sampling": "dpmpp_2m karras",
        "steps": 20,
        "guidance": 6.5,
        "invisible_id": "9e3779b97f4a7c15",
        "when": "2026-03-29T20:02:50Z",
    }
    return Credentials(**values | changes)
