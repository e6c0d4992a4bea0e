"""One run of a network in OpenVINO."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import openvino

Values = Sequence[npt.NDArray[np.generic]]


def infer(request: openvino.InferRequest, feed: Mapping[int, npt.NDArray[np.generic]]) -> Values:
    """`feed`: by the input's place; others keep what they were bound to. Outputs of their own, in the graph's
    order. Raises what OpenVINO raises.

    `InferRequest.infer` of 2026.4 does not: short of memory, it answers with what the request made before,
    which may be another order's. So it is started and waited for.
    """
    request.start_async(dict(feed), share_inputs=True)
    request.wait()
    return [np.array(tensor.data) for tensor in request.output_tensors]
