"""The marks that are compared: ours and others, behind one protocol."""

import tempfile
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from frontend.invisible_mark.codes import Codes, bits_of
from frontend.invisible_mark.reading import read
from frontend.invisible_mark.writing import write

Pixels = npt.NDArray[np.uint8]
WRONG_BITS = 4
"""Of 64 that an id may have, as in the registry; the others get the same share of theirs."""


class Mark(Protocol):
    @property
    def bits(self) -> int: ...

    def write(self, pixels: Pixels, identity: int) -> Pixels: ...

    def read(self, pixels: Pixels) -> int | None:
        """The identity as it was read; None for "no mark"."""
        ...


class Ours:
    bits = 64

    def __init__(self) -> None:
        self._codes = Codes.of(b"the benchmark's own secret, 32 B.")

    def write(self, pixels: Pixels, identity: int) -> Pixels:
        return write(pixels, identity, self._codes)

    def read(self, pixels: Pixels) -> int | None:
        reading = read(pixels, [self._codes])
        return None if reading is None else bits_of(reading.soft)


@dataclass(frozen=True)
class Imwatermark:
    """https://pypi.org/project/invisible-watermark/"""

    method: str
    bits: int

    def __post_init__(self) -> None:
        from imwatermark import WatermarkEncoder

        if self.method == "rivaGan":
            WatermarkEncoder.loadModel()

    def write(self, pixels: Pixels, identity: int) -> Pixels:
        from imwatermark import WatermarkEncoder

        encoder: Any = WatermarkEncoder()
        encoder.set_watermark("bits", [identity >> place & 1 for place in range(self.bits)])
        marked = encoder.encode(np.ascontiguousarray(pixels[..., ::-1]), self.method)
        return np.ascontiguousarray(np.clip(marked, 0, 255).astype(np.uint8)[..., ::-1])

    def read(self, pixels: Pixels) -> int | None:
        from imwatermark import WatermarkDecoder

        decoder: Any = WatermarkDecoder("bits", self.bits)
        try:
            found = decoder.decode(np.ascontiguousarray(pixels[..., ::-1]), self.method)
        except Exception:  # it has many ways to fail on small pictures
            return None
        return sum(1 << place for place, bit in enumerate(found) if bit)


class Clawid:
    """https://pypi.org/project/clawid/, its mode for resized pictures. It carries text, and checks it."""

    bits = 64

    def write(self, pixels: Pixels, identity: int) -> Pixels:
        import clawid

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "marked.png"
            facts = {"uid": f"{identity:016x}", "clawid": str(uuid.UUID(int=identity))}
            clawid.embed(Image.fromarray(pixels), str(path), facts, algorithm="fm")
            return np.asarray(Image.open(path).convert("RGB"))

    def read(self, pixels: Pixels) -> int | None:
        import clawid

        try:
            found = clawid.detect(Image.fromarray(pixels), algorithm="fm")
            return int(found["uid"], 16) if found else None
        except Exception:
            return None


MARKS: Mapping[str, Callable[[], Mark]] = {
    "imgen": Ours,
    "dwtDctSvd": lambda: Imwatermark("dwtDctSvd", 64),
    "rivaGan": lambda: Imwatermark("rivaGan", 32),
    "clawid": Clawid,
}


PACKAGES = {"dwtDctSvd": "imwatermark", "rivaGan": "imwatermark", "clawid": "clawid"}


def missing(name: str) -> str:
    """The package of a mark that is not installed; empty: it is."""
    package = PACKAGES.get(name, "")
    return package if package and not find_spec(package) else ""


def recovered(mark: Mark, identity: int, found: int | None) -> bool:
    if found is None:
        return False
    wrong = (found ^ identity & (1 << mark.bits) - 1).bit_count()
    return wrong <= WRONG_BITS * mark.bits // 64
