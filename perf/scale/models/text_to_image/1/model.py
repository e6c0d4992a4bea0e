"""A `text_to_image` that waits for as long as a GPU would draw, and answers with one picture for all.

SCALE_SECONDS of each picture, SCALE_SLOTS at a time: more wait, as they would for a place in a batch.
"""

import json
import os
import sys
import threading
import time

if "IMGEN_TRITON_SITE" in os.environ:
    sys.path[:0] = os.environ["IMGEN_TRITON_SITE"].split(os.pathsep)

import numpy as np
import triton_python_backend_utils as pb_utils

from contract.names import order_counts_file
from contract.order_counts import tell_order_counts

SECONDS, SLOTS = float(os.environ["SCALE_SECONDS"]), int(os.environ["SCALE_SLOTS"])
TELLS = 4  # of its progress, in which an order that was cancelled ends
FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


def picture(width: int, height: int) -> "np.ndarray":
    """Smooth shapes with some grain, so that encoding takes about what it takes of a real one."""
    y, x = np.mgrid[0:height, 0:width] / height
    shades = [128 + 90 * np.sin(4 * x + channel) * np.cos(3 * y) for channel in range(3)]
    grain = np.random.default_rng(7).normal(0, 4, (height, width, 3))
    return np.clip(np.stack(shades, axis=2) + grain, 0, 255).astype(np.uint8)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._slots = threading.BoundedSemaphore(SLOTS)
        self._pictures: dict[tuple[int, int], np.ndarray] = {}
        self._counts_file, self._count, self._lock = order_counts_file(os.getppid()), 0, threading.Lock()
        self._tell(0)

    def execute(self, requests: list["pb_utils.InferenceRequest"]) -> None:
        for request in requests:
            threading.Thread(target=self._draw, args=(request,), daemon=True).start()

    def _draw(self, request: "pb_utils.InferenceRequest") -> None:
        values = {tensor.name(): tensor.as_numpy().reshape(-1)[0] for tensor in request.inputs()}
        sender, size = request.get_response_sender(), (int(values["width"]), int(values["height"]))
        self._tell(1)
        try:
            with self._slots:
                for step in range(TELLS):
                    if sender.is_cancelled():
                        sender.send(flags=FINAL)
                        return
                    told = pb_utils.Tensor("progress", np.array([step / TELLS], np.float32))
                    sender.send(pb_utils.InferenceResponse([told]))
                    time.sleep(SECONDS / TELLS)
            if size not in self._pictures:
                self._pictures[size] = picture(*size)
            sender.send(self._response(self._pictures[size]), flags=FINAL)
        finally:
            self._tell(-1)

    def _response(self, pixels: "np.ndarray") -> "pb_utils.InferenceResponse":
        weights = json.dumps({"engine": "0" * 64}).encode()
        timings = np.array([0.0, 1000 * SECONDS, 0.0], np.float32)
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("progress", np.array([1.0], np.float32)),
                pb_utils.Tensor("image", pixels),
                pb_utils.Tensor("timings", timings),
                pb_utils.Tensor("weights", np.array([weights], dtype=object)),
                pb_utils.Tensor("runtime", np.array([b"sleeps"], dtype=object)),
            ]
        )

    def _tell(self, change: int) -> None:
        with self._lock:
            self._count += change
            tell_order_counts(self._counts_file, {"eros": self._count})
