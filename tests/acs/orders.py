"""What the tests of the reviewer ask it."""

import hashlib
import io
from typing import Any

from PIL import Image, ImageDraw

from contract.acs import ReviewRequest


def body(**changes: Any) -> dict[str, Any]:
    """As an order for `picture()`."""
    return {
        "gen_id": "a1b2c3d4e5f6g7h8i9j0",
        "image_url": "http://127.0.0.1:9/a.jpg",
        "ruleset": "default",
        "prompt": "@aya reading a book under a tree, warm lighting, -rain",
        "positive": "photo of aya, reading a book under a tree, warm lighting",
        "drawn": "photo of aya, reading a book under a tree, warm lighting",
        "negative": "rain, blurry",
        "character": "aya",
        "depicts": "adult",
        "texts": {"author": "A studio"},
        "watermark": 0.0,
        **facts(picture()),
        "model": "eros",
        "precompliance": "",
        **changes,
    }


def facts(data: bytes) -> dict[str, Any]:
    """What an order says of the picture's file."""
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def order(prompt: str = "a lighthouse", positive: str = "", **changes: Any) -> ReviewRequest:
    return ReviewRequest(**body(**{"prompt": prompt, "positive": positive, "drawn": positive, **changes}))


def picture(form: str = "JPEG", size: tuple[int, int] = (336, 192), mode: str = "RGB") -> bytes:
    """A sun over a meadow."""
    image = Image.new("RGB", size, (130, 180, 240))
    draw = ImageDraw.Draw(image)
    draw.ellipse((size[0] // 3, 20, size[0] // 2, 20 + size[0] // 6), fill=(250, 220, 80))
    draw.rectangle((0, size[1] * 3 // 4, *size), fill=(60, 150, 60))
    out = io.BytesIO()
    if mode == "RGBA":
        image.putalpha(120)
    else:
        image = image.convert(mode)
    image.save(out, form)
    return out.getvalue()
