"""From a torch network to an ONNX file, through optimum, with the tensors that its part declares."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from optimum.exporters.onnx.base import OnnxConfig
from optimum.exporters.onnx.convert import export_pytorch
from optimum.utils import NormalizedConfig
from torch import nn
from transformers import PretrainedConfig

from export.errors import ExportError, first_line
from export.parts import Part, Tensor

OPSET = 18
# Odd sizes on purpose: diffusers' UNet then upsamples to the size of the skip connection in the traced graph,
# and so in every graph, whatever the size. Traced at an even size, it would double, and fail at odd ones.
EXAMPLE_SIZES = {"batch": 2, "height": 9, "width": 11, "tokens": 77}
TORCH_TYPES = {"FP32": torch.float32, "INT64": torch.int64}


class PartConfig(OnnxConfig):
    """optimum's view of a part."""

    NORMALIZED_CONFIG_CLASS = NormalizedConfig

    def __init__(self, part: Part) -> None:
        super().__init__(config=PretrainedConfig())  # nothing in it is read: the part says it all
        self.part = part

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        return {tensor.name: tensor.dynamic_axes for tensor in self.part.inputs}

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        return {tensor.name: tensor.dynamic_axes for tensor in self.part.outputs}

    def generate_dummy_inputs(self, framework: str = "pt", **_: Any) -> dict[str, torch.Tensor]:
        return example_inputs(self.part, EXAMPLE_SIZES)


def example_inputs(part: Part, sizes: Mapping[str, int]) -> dict[str, torch.Tensor]:
    """Plausible values of the right shapes: sigmas inside (0, 1], small tokens."""
    generator = torch.Generator().manual_seed(0)
    return {tensor.name: _example(tensor, sizes, generator) for tensor in part.inputs}


def _example(tensor: Tensor, sizes: Mapping[str, int], generator: torch.Generator) -> torch.Tensor:
    shape, dtype = tensor.example_shape(sizes), TORCH_TYPES[tensor.dtype]
    if dtype == torch.int64:
        return torch.randint(1, 10, shape, generator=generator)
    return torch.rand(shape, generator=generator) * 0.9 + 0.05


def trace(network: nn.Module, part: Part, target: Path) -> None:
    """Writes `target` (and, above 2 GB, one file of weights beside it)."""
    with warnings.catch_warnings():
        # The exporter that keeps module paths in node names is deprecated, and the tracer warns of each
        # Python branch on a size. names.py needs the paths; the parity tests cover the branches.
        warnings.simplefilter("ignore")
        try:
            export_pytorch(network.eval(), PartConfig(part), opset=OPSET, output=target)
        except OSError:  # a full disk is told as such
            raise
        except Exception as error:  # whatever torch says of a network that does not fit together
            raise ExportError(f"The {part.name} cannot be traced: {first_line(error)}") from error


def declare_outputs(model: onnx.ModelProto, part: Part) -> None:
    """The exporter does not see that some sizes are fixed (77 tokens), and says so in the graph's outputs."""
    for output, tensor in zip(model.graph.output, part.outputs, strict=True):
        sizes = output.type.tensor_type.shape.dim
        for size, dim in zip(sizes[1:], tensor.dims, strict=True):
            if isinstance(dim, int):
                size.dim_value = dim
