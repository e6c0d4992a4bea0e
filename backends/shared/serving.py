"""What a Python-based backend does around its network: requests in, batches through it, answers out."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol

import triton_python_backend_utils as pb_utils
from batching import Array, BadTensors, groups, join, split

from contract.load_request import tell_load_failure
from contract.names import is_character
from contract.runtimes import NOT_A_NUMBER, tell_runtime


class NotANumber(Exception):
    """A network has computed infinity or what is no number: nothing that may go on."""


class BatchNetwork(Protocol[Array]):
    @property
    def runtime(self) -> str:
        """Library, version and precision."""

    def check(self, arrays: dict[str, Array]) -> int:
        """The batch size of one request's tensors. Raises BadTensors where they do not fit."""

    def run(self, arrays: dict[str, Array]) -> dict[str, Array]:
        """Raises whatever the library raises; its text can have many lines."""


class BatchServer(Generic[Array]):
    """`load` makes the network from what Triton says of the model; `read` and `write` translate tensors."""

    def __init__(
        self,
        args: Mapping[str, str],
        load: Callable[[Mapping[str, str]], BatchNetwork[Array]],
        read: Callable[["pb_utils.Tensor"], Array],
        write: Callable[[str, Array], "pb_utils.Tensor"],
        concatenate: Callable[[Sequence[Array]], Array],
        is_finite: Callable[[Array], bool],
    ) -> None:
        self._read, self._write, self._concatenate, self._is_finite = read, write, concatenate, is_finite
        self._network: BatchNetwork[Array] | None = None
        self._reason = ""
        try:
            self._network = load(args)
            _tell(args["model_name"], self._network.runtime)
        except Exception as error:
            # While Triton serves, a load that fails may crash it (contract/load_request.py). So what is then
            # loaded "loads" all the same: a character tells every request what is wrong, another network
            # tells who asked for it. At start a failure is seen and does no harm.
            name, reason = args["model_name"], _one_line(error)
            if not is_character(name) and not tell_load_failure(os.getppid(), name, reason):
                raise
            self._reason = f"could not be loaded: {reason}"
            pb_utils.Logger.log_error(f"{name} {self._reason}")

    def execute(self, requests: list["pb_utils.InferenceRequest"]) -> list["pb_utils.InferenceResponse"]:
        if self._network is None:
            return [self._response(request, RuntimeError(self._reason)) for request in requests]
        answers: dict[int, dict[str, Array] | Exception] = {}
        good: dict[int, dict[str, Array]] = {}
        sizes: dict[int, int] = {}
        for index, request in enumerate(requests):
            arrays = {tensor.name(): self._read(tensor) for tensor in request.inputs()}
            try:
                sizes[index] = self._network.check(arrays)
                good[index] = arrays
            except BadTensors as error:
                answers[index] = error
        for members in groups(good):
            answers.update(self._run(self._network, members, good, sizes))
        return [self._response(request, answers[index]) for index, request in enumerate(requests)]

    def _run(
        self,
        network: BatchNetwork[Array],
        members: list[int],
        requests: Mapping[int, dict[str, Array]],
        sizes: Mapping[int, int],
    ) -> dict[int, dict[str, Array] | Exception]:
        try:
            joined = network.run(join([requests[index] for index in members], self._concatenate))
            for name, array in joined.items():
                if not self._is_finite(array):
                    raise NotANumber(f"{name} {NOT_A_NUMBER} (by {network.runtime})")
            outputs = split(joined, [sizes[index] for index in members])
        except Exception as error:  # the libraries have no common base class of errors
            if len(members) > 1:  # one bad request must not fail its neighbours
                alone = (self._run(network, [index], requests, sizes) for index in members)
                return {index: answer for one in alone for index, answer in one.items()}
            return {members[0]: error}
        return dict(zip(members, outputs, strict=True))

    def _response(
        self, request: "pb_utils.InferenceRequest", answer: dict[str, Any] | Exception
    ) -> "pb_utils.InferenceResponse":
        if isinstance(answer, Exception):
            bad = isinstance(answer, BadTensors)
            code = pb_utils.TritonError.INVALID_ARG if bad else pb_utils.TritonError.INTERNAL
            error = pb_utils.TritonError(_one_line(answer), code)
            return pb_utils.InferenceResponse(output_tensors=[], error=error)
        names = request.requested_output_names()
        return pb_utils.InferenceResponse([self._write(name, answer[name]) for name in names])


def _tell(name: str, runtime: str) -> None:
    pb_utils.Logger.log_info(f"{name} runs in {runtime}")
    tell_runtime(os.environ, name, runtime)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__
