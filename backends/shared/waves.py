"""A network's sines and cosines, computed apart from it, in float32.

They say at which step a denoiser is, and how large the picture shall be, by angles of up to thousands. In
bfloat16, which has 8 bits, an angle of 1000 is one between 998 and 1002; and OpenVINO (2026.4) rounds
whatever comes before a matrix product.
"""

import numpy as np
import openvino
import openvino.opset13 as opset
from batching import Arrays
from inference import infer

WAVES = {"Sin", "Cos"}


class Waves:
    """Cut off `model` together with all that leads to them; it takes their values as inputs from now on."""

    def __init__(self, core: openvino.Core, model: openvino.Model, config: dict[str, object]) -> None:
        cut = [node for node in model.get_ordered_ops() if node.get_type_name() in WAVES]
        self.names = [node.friendly_name for node in cut]
        outputs = [node.output(0) for node in cut]
        apart = openvino.Model(outputs, _parameters_of(cut), "waves")
        compiled = core.compile_model(apart, "CPU", config | {"INFERENCE_PRECISION_HINT": "f32"})
        self._inputs = [port.any_name for port in compiled.inputs]
        self._request = compiled.create_infer_request()
        _replace(model, outputs, self.names)

    def run(self, inputs: Arrays) -> Arrays:
        feed = {place: np.ascontiguousarray(inputs[name]) for place, name in enumerate(self._inputs)}
        return dict(zip(self.names, infer(self._request, feed), strict=True))


def has_waves(model: openvino.Model) -> bool:
    return any(node.get_type_name() in WAVES for node in model.get_ops())


def _parameters_of(nodes: list[openvino.Node]) -> list[openvino.Node]:
    """Inputs of the network that lead to `nodes`."""
    found: dict[str, openvino.Node] = {}
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node.friendly_name not in found:
            found[node.friendly_name] = node
            waiting += [port.get_source_output().get_node() for port in node.inputs()]
    return [node for node in found.values() if node.get_type_name() == "Parameter"]


def _replace(model: openvino.Model, outputs: list[openvino.Output], names: list[str]) -> None:
    """What took `outputs` takes new inputs of those names."""
    added = []
    for output, name in zip(outputs, names, strict=True):
        added.append(opset.parameter(output.get_partial_shape(), output.get_element_type(), name=name))
        added[-1].output(0).set_names({name})
        for target in list(output.get_target_inputs()):
            target.replace_source_output(added[-1].output(0))
    model.add_parameters(added)
    model.validate_nodes_and_infer_types()
