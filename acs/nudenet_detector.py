"""The detector of nudenet: the one file that imports it, and only when it is called (AGPL-3.0)."""

import ctypes
from importlib.metadata import version
from importlib.resources import files

import numpy as np

from acs.detections import LABELS, Detections, Detector, Pixels


def nudenet_version() -> str:
    """Of the network and of what runs it, in fp32 on the CPU always. Raises ImportError without them."""
    return ", ".join(f"{package} {version(package)}" for package in ("nudenet", "onnxruntime")) + ", f32"


def load_nudenet() -> Detector:
    """Loads the model that comes inside the package (no network) and runs it once, so that it is warm.

    Raises ImportError without nudenet, RuntimeError where its labels are not those that rulesets use.
    """
    import cv2
    import onnxruntime
    from nudenet import NudeDetector, nudenet

    if set(vars(nudenet)["__labels"]) != LABELS:
        raise RuntimeError("nudenet's labels are not those of version 3.4")
    cv2.setNumThreads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = NudeDetector()
    # Its own session takes every core, and it has no option for that.
    model.onnx_session = onnxruntime.InferenceSession(
        str(files("nudenet") / "320n.onnx"), options, providers=["CPUExecutionProvider"]
    )

    _give_back_memory()

    def detect(pixels: Pixels) -> Detections:
        best: dict[str, float] = {}
        # 3.4.2 swaps red and blue twice on the way in, so RGB reaches the network as RGB.
        for found in model.detect(pixels):
            best[found["class"]] = max(best.get(found["class"], 0.0), float(found["score"]))
        return best

    detect(np.zeros((64, 64, 3), np.uint8))
    return detect


def _give_back_memory() -> None:
    """Of the session that was replaced, which glibc would keep: 28 MiB."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
