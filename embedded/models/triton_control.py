"""Loads a model's networks into the Triton that `imgen up` started, and unloads them, while it draws.

Triton's own protocol for it is closed to everybody (docs/decisions/parts.md). Its model `model_control` does
it for whoever has its key, which lies in a file that this user alone can read.
"""

from pathlib import Path

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from contract.names import MODEL_CONTROL, control_key_file
from embedded.models.errors import ModelError
from embedded.triton import temporary_folder

READY_TIMEOUT_S = 10.0


class TritonControl:
    """`url`: where it listens, as its clients are told."""

    def __init__(self, data_dir: Path, url: str) -> None:
        self._temporary, self._url = temporary_folder(data_dir), url

    def is_ready(self, network: str) -> bool:
        """Raises ModelError."""
        with self._client() as client:
            try:
                return bool(client.is_model_ready(network, client_timeout=READY_TIMEOUT_S))
            except InferenceServerException as error:
                raise ModelError(f"Triton does not answer: {error.message()}; see triton.log") from None

    def load(self, network: str) -> None:
        """Returns when it can be used; one that is loaded stays as it is. Raises ModelError."""
        if not self.is_ready(network):
            self._act("load", network)

    def unload(self, network: str) -> None:
        """Raises ModelError."""
        if self.is_ready(network):
            self._act("unload", network)

    def _act(self, action: str, network: str) -> None:
        values = {"key": self._key(), "action": action, "model": network}
        inputs = [triton.InferInput(name, [1], "BYTES") for name in values]
        for tensor, value in zip(inputs, values.values(), strict=True):
            tensor.set_data_from_numpy(np.array([value.encode()], dtype=np.object_))
        with self._client() as client:
            try:
                # Without a limit of time: a large network takes minutes, on a busy machine more.
                client.infer(MODEL_CONTROL, inputs, outputs=[triton.InferRequestedOutput("done")])
            except InferenceServerException as error:
                why = " ".join((error.message() or "it gave no reason").split())
                raise ModelError(f"Triton could not {action} {network}: {why}; see triton.log") from None

    def _client(self) -> triton.InferenceServerClient:
        return triton.InferenceServerClient(self._url, channel_args=[("grpc.enable_http_proxy", 0)])

    def _key(self) -> str:
        """Of the Triton that runs: those of killed ones may lie there, too. Raises ModelError."""
        files = list(self._temporary.glob(control_key_file("*", self._temporary).name))
        try:
            alive = [path for path in files if Path("/proc", path.stem.removeprefix("imgen-")).exists()]
            return max(alive, key=lambda path: path.stat().st_mtime_ns).read_text()
        except (OSError, ValueError):
            raise ModelError(
                f"Triton has no key in {self._temporary}: is it the one that `imgen up` started?"
            ) from None
