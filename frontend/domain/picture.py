"""The data that a picture is on its way to the client: what was asked, pixels, files, where they lie."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt

from contract.acs import Depicts
from frontend.domain.luma_grid import LumaGrid


@dataclass(frozen=True, kw_only=True)
class PictureOrder:
    """What one call of `text_to_image` is told. Filled by the worker from the job's record."""

    prompt: str
    negative: str
    model: str
    character: str  # "" for none
    width: int
    height: int
    steps: int
    guidance: float
    seed: int  # 0 to 2**63 - 1
    sampler: str = ""  # these two: "" for the model's own
    spacing: str = ""
    style: str = ""  # that has a LoRA; "" where it has none
    style_strength: float = 0.0  # how much of that LoRA


@dataclass(frozen=True)
class Picture:
    """What came out of Triton: pixels uint8 [height, width, 3] RGB, and how long each part took."""

    pixels: npt.NDArray[np.uint8]
    timings_ms: dict[str, float] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the denoiser that drew it (`engine`) and, for a character, of the `base` and the `lora`, for
    a style of the `base` and the `style_lora`. Of a LoRA in a bank `lora_strength`, `style_lora_strength`
    too, a number."""
    runtime: str = ""  # what ran the networks, as "openvino 2026.4.1 bf16"; "" where Triton does not tell
    sampling: str = ""  # sampler and spacing that drew it, as "dpmpp_2m karras"; "" likewise


@dataclass(frozen=True, kw_only=True)
class Watermark:
    """A watermark to lay over the picture. Ranges are the API's, already clamped."""

    image: bytes  # its pixels, see finishing/mark_pixels.py: no file of a stranger's
    position: str
    scale: int  # 1 to 100, percent of the picture's width
    opacity: int  # 0 to 100
    rotation: int  # -360 to 360, degrees counter-clockwise
    padding_x: int  # 0 to 500, pixels
    padding_y: int


@dataclass(frozen=True, kw_only=True)
class Encoding:
    format: str  # jpeg, png, webp or avif
    quality: int  # 1 to 100
    lossless: bool  # WebP and AVIF only


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What the content credentials say of one picture. Empty text leaves its field out."""

    gen_id: str
    author: str
    title: str
    description: str
    organization: str
    vendor: str
    model: str
    character: str
    rights: str = ""  # fictional, or consent:REFERENCE
    depicts: Depicts = ""  # adult, child or nonhuman; "" where it is not recorded, or there is no character
    seed: int
    ruleset: str
    weights: Mapping[str, str] = field(default_factory=dict)  # SHA-256 by role, see Picture
    runtime: str = ""  # see Picture
    sampling: str = ""  # see Picture
    steps: int
    guidance: float
    prompt: str = ""  # signed only where the settings say so
    invisible_id: str = ""  # identity in the invisible mark, 16 hex digits; "" for none
    watermark_share: float = 0.0  # as in StoredPicture; filled by the finisher
    when: str  # RFC 3339, UTC


@dataclass(frozen=True, kw_only=True)
class File:
    """Final bytes of one file, as stored and handed out."""

    data: bytes
    media_type: str  # image/jpeg, ...
    extension: str  # jpg, png, webp, avif
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(self.data).hexdigest())


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A picture that is marked, fingerprinted, encoded and signed, ready to be stored."""

    picture: File
    thumbnail: File
    fingerprint: str  # PDQ, 64 hex digits
    fingerprint_quality: int  # PDQ quality, 0 to 100
    luma_grid: LumaGrid
    invisible_id: str  # identity in the invisible mark, 16 hex digits
    invisible_key: int  # version of the key that it was laid with
    tells_prompt: bool  # whether the content credentials do
    watermark_share: float
    watermark_scale: int
    timings_ms: Mapping[str, float]  # watermark, invisible_mark, fingerprint, encode, sign, thumbnail


@dataclass(frozen=True)
class StoredFile:
    """One of a picture's two files, and what a link to it is pinned to."""

    key: str
    filename: str  # that clients see
    sha256: str
    version: str = ""  # as the store calls it; "" where it keeps none


class StoredPicture(
    msgspec.Struct, frozen=True, kw_only=True, rename={"invisible_id": "mark", "invisible_key": "mark_key"}
):
    """Where a finished picture lies. Filled by the worker after both files are stored."""

    sha256: str  # of the picture's final bytes: what a verdict is bound to
    bytes: int = 0  # of the same; 0 in records of older versions, which no reviewer takes
    key: str
    filename: str
    thumbnail_key: str
    thumbnail_filename: str
    thumbnail_sha256: str = ""  # "" in records of older versions: the local folder does not serve those
    fingerprint: str
    fingerprint_quality: int = 0  # PDQ's, 0 to 100
    luma_grid: LumaGrid | None = None  # None in records of older versions
    invisible_id: str = ""  # identity in the invisible mark, 16 hex digits; "" for none
    invisible_key: int = 0  # version of the key that it was laid with
    tells_prompt: bool = False  # whether its content credentials do: then it is for its own key alone
    timings_ms: Mapping[str, float]  # queue, denoise, decode, finish
    weights: Mapping[str, str] = {}  # SHA-256 of the engine and what it was made of; see Picture
    runtime: str = ""  # see Picture; "" in records of older versions, too
    sampling: str = ""  # likewise
    watermark_share: float = 0.0  # of the picture's area: mean of alpha times opacity, 0 to 1
    watermark_scale: int = 0  # that it was laid with; 0 for none
    version: str = ""  # that a store with versions keeps the picture as; "" for others
    thumbnail_version: str = ""

    @property
    def file(self) -> StoredFile:
        return StoredFile(self.key, self.filename, self.sha256, self.version)

    @property
    def thumbnail(self) -> StoredFile:
        return StoredFile(
            self.thumbnail_key, self.thumbnail_filename, self.thumbnail_sha256, self.thumbnail_version
        )
