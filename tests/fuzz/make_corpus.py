"""Writes corpus/ anew: python -m tests.fuzz.make_corpus. Small files of every kind that is taken."""

import io
import json
import struct
from collections.abc import Mapping
from typing import Any

from PIL import Image

from frontend.domain.picture import Encoding
from frontend.finishing.authority import issue
from frontend.finishing.certificate import Certificate
from frontend.finishing.credentials import Signatory
from frontend.finishing.encode import encode
from tests import bombs
from tests.frontend.finishing.pictures import credentials, data_uri, scene
from tests.fuzz.mutation import CORPUS

SIZE = (40, 24)
PROMPTS = [
    "@aya reading a book under a tree, warm lighting, -rain, -crowd",
    "x-ray of a shell, soft light — blurry, -text",
    "@Bella's garden, \uff20aya, mail me at aya@example.com",
    "a red car,\nbehind a house,, ,-,- ,--double",
    "-only, -negatives",
    "@aya",
    "\u200bhidden\u202e text, \U000e0041tags, e\u0301, 日本語、猫",
    "a" * 600 + ", -" + "b" * 200,
]


def main() -> None:
    rgb = Image.fromarray(scene(*SIZE))
    write("json", {f"{number}.json": json.dumps(body).encode() for number, body in enumerate(bodies())})
    write("prompts", {f"{number}.txt": prompt.encode() for number, prompt in enumerate(PROMPTS)})
    write("pictures", dict(pictures(rgb)))
    write("manifests", dict(manifests()))
    write("safetensors", dict(weights()))


def write(name: str, files: Mapping[str, bytes]) -> None:
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for file, data in files.items():
        (folder / file).write_bytes(data)


def bodies() -> list[dict[str, Any]]:
    texts = {f"cs_{field}": "Aya \u00e9" for field in ("author", "title", "description", "vendor")}
    numbers = {"wm_scale": 20, "wm_transparency": 50, "wm_rotation": -30.0, "wm_padding_x": 7}
    return [
        {"action": "generate", "prompt": PROMPTS[0], "model": "eros", "width": 1344, "height": 768},
        {"action": "generate", "prompt": PROMPTS[2], **texts, "quality": 90.0, "lossless": False},
        {"action": "generate", "prompt": "a", "wm_image": data_uri(bombs.png()), **numbers},
        {"action": "generate", "prompt": None, "seed": 2**63, "use_cache": True, "cache_pick": 99},
        {"action": "status", "id": "run_0123456789abcdefghij", "deep": [[[{"a": [1, 2.5e3, None]}]]]},
    ]


def pictures(rgb: Image.Image) -> list[tuple[str, bytes]]:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a scene"
    frames: dict[str, Any] = {"save_all": True, "append_images": [rgb.rotate(180)], "duration": 50}
    kinds: list[tuple[str, Image.Image, str, dict[str, Any]]] = [
        ("grey.png", rgb.convert("L"), "PNG", {}),
        ("palette.png", rgb.quantize(16), "PNG", {"transparency": 3}),
        ("alpha.png", rgb.convert("RGBA"), "PNG", {"icc_profile": b"profile" * 20}),
        ("sixteen.png", rgb.convert("L").convert("I;16"), "PNG", {}),
        ("moving.png", rgb, "PNG", frames),
        ("plain.jpg", rgb, "JPEG", {"quality": 70}),
        ("turned.jpg", rgb, "JPEG", {"quality": 70, "exif": exif}),
        ("progressive.jpg", rgb, "JPEG", {"quality": 70, "progressive": True}),
        ("cmyk.jpg", rgb.convert("CMYK"), "JPEG", {"quality": 50}),
        ("lossy.webp", rgb, "WEBP", {"quality": 50}),
        ("lossless.webp", rgb.convert("RGBA"), "WEBP", {"lossless": True}),
        ("moving.webp", rgb, "WEBP", {"quality": 30, **frames}),
        ("plain.avif", rgb, "AVIF", {"quality": 40}),
        ("moving.avif", rgb, "AVIF", {"quality": 30, **frames}),
        ("moving.gif", rgb.quantize(32), "GIF", {"save_all": True, "append_images": [rgb.quantize(8)]}),
    ]
    made = [(name, _saved(image, kind, options)) for name, image, kind, options in kinds]
    texts = ((b"tEXt", b"a\0b"), (b"zTXt", b"a\0\0x\x9c\x03\0\0\0\0\1"), (b"iTXt", b"a\0\0\0\0\0b"))
    return [*made, ("texts.png", bombs.png(*texts)), ("scans.jpg", bombs.scans(64, 64, 40))]


def _saved(image: Image.Image, kind: str, options: Mapping[str, Any]) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def manifests() -> list[tuple[str, bytes]]:
    chain, key = issue()
    with Signatory(Certificate(chain=chain, key=key, algorithm=b"es256")) as signatory:
        signed = {
            kind: signatory.sign(
                encode(scene(*SIZE), Encoding(format=kind, quality=50, lossless=False)), credentials()
            ).data
            for kind in ("jpeg", "png", "webp", "avif")
        }
    claims = bombs.byte_strings(signed["webp"], 700 << 20)
    return [
        *((f"signed.{kind}", data) for kind, data in signed.items()),
        ("claim.webp", list(claims)[1]),
    ]


def weights() -> list[tuple[str, bytes]]:
    name = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    flat = name.replace(".", "_")
    layers: dict[str, dict[str, tuple[int, ...]]] = {
        "diffusers": {f"unet.{name}.lora_A.weight": (2, 8), f"unet.{name}.lora_B.weight": (8, 2)},
        "kohya": {
            f"lora_unet_{flat}.lora_down.weight": (2, 8),
            f"lora_unet_{flat}.lora_up.weight": (8, 2),
            f"lora_unet_{flat}.alpha": (),
        },
        "hada": {
            f"lora_unet_{flat}.hada_{part}": (8, 2) if part.endswith("a") else (2, 8)
            for part in ("w1_a", "w1_b", "w2_a", "w2_b")
        },
    }
    settings = {"lora_adapter_metadata": json.dumps({"unet.r": 2, "unet.lora_alpha": 3})}
    return [
        (f"{kind}.safetensors", safetensors(tensors, settings if kind == "diffusers" else {}))
        for kind, tensors in layers.items()
    ]


def safetensors(tensors: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> bytes:
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    at = 0
    for name, shape in tensors.items():
        size = 4
        for side in shape:
            size *= side
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


if __name__ == "__main__":
    main()
