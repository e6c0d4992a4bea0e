"""Runs networks on the Triton that this model runs in (business logic scripting)."""

from collections.abc import Sequence

import numpy as np
import triton_python_backend_utils as pb_utils
from pipeline import Array

from contract.runtimes import NOT_A_NUMBER


class NetworkFailed(Exception):
    """A network did not load or answered with an error; the text is one line that names the network."""

    def __init__(self, network: str, reason: str) -> None:
        super().__init__(f"{network}: {' '.join(reason.split())}"[:500])
        self.network = network


class MadeNoNumbers(NetworkFailed):
    """It has computed infinity or what is no number. The same order would make it do so again."""


class TritonEngine:
    """Engine[pb_utils.Tensor]."""

    def tensor(self, name: str, array: Array) -> "pb_utils.Tensor":
        return pb_utils.Tensor(name, np.ascontiguousarray(array))

    def rename(self, name: str, tensor: "pb_utils.Tensor") -> "pb_utils.Tensor":
        # A tensor's name is fixed; DLPack hands its memory, on whichever device, to one of another name.
        return pb_utils.Tensor.from_dlpack(name, tensor)

    def array(self, tensor: "pb_utils.Tensor") -> Array:
        if not tensor.is_cpu():
            raise RuntimeError(f"output {tensor.name()} was left on the GPU")
        array: Array = tensor.as_numpy()
        return array

    async def run(
        self, network: str, inputs: Sequence["pb_utils.Tensor"], outputs: Sequence[str], *, stay: bool = False
    ) -> list["pb_utils.Tensor"]:
        memory = pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0)
        request = pb_utils.InferenceRequest(
            model_name=network,
            inputs=list(inputs),
            requested_output_names=list(outputs),
            **({} if stay else {"preferred_memory": memory}),
        )
        response = await request.async_exec()
        if response.has_error():
            told = response.error().message()
            raise (MadeNoNumbers if NOT_A_NUMBER in told else NetworkFailed)(network, told)
        found = {tensor.name(): tensor for tensor in response.output_tensors()}
        return [found[name] for name in outputs]
