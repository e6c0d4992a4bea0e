"""From a torch network to an ONNX graph, with optimum's patches and the tensors that its part declares."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ml_dtypes
import numpy.typing as npt
import onnx
import torch
from optimum.exporters.onnx.base import OnnxConfig
from optimum.utils import NormalizedConfig
from torch import nn
from transformers import PretrainedConfig

from contract.bank import SLOTS, is_table
from contract.parts import ModelPart, TensorSpec
from export.errors import ExportError, first_line
from export.graphs.storage import MODEL_FILE

OPSET = 18
# Odd sizes on purpose: diffusers' UNet then upsamples to the size of the skip connection in the traced graph,
# and so in every graph, whatever the size. Traced at an even size, it would double, and fail at odd ones. Of
# a denoiser that takes patches of latents, an odd number of them.
EXAMPLE_SIZES = {"batch": 2, "height": 9, "width": 11, "tokens": 77, "length": 7, "adapters": 2}
TORCH_TYPES = {"FP32": torch.float32, "INT64": torch.int64}


class PartConfig(OnnxConfig):
    """optimum's view of a part."""

    NORMALIZED_CONFIG_CLASS = NormalizedConfig

    def __init__(self, part: ModelPart) -> None:
        super().__init__(config=PretrainedConfig())  # nothing in it is read: the part says it all
        self.part = part

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        return {tensor.name: tensor.dynamic_axes for tensor in self.part.inputs}

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        return {tensor.name: tensor.dynamic_axes for tensor in self.part.outputs}

    def generate_dummy_inputs(self, framework: str = "pt", **_: Any) -> dict[str, torch.Tensor]:
        sides = {side: EXAMPLE_SIZES[side] * self.part.patch for side in ("height", "width")}
        return example_inputs(self.part, {**EXAMPLE_SIZES, **sides})


def example_inputs(part: ModelPart, sizes: Mapping[str, int]) -> dict[str, torch.Tensor]:
    """Plausible values of the right shapes: sigmas inside (0, 1], small tokens."""
    generator = torch.Generator().manual_seed(0)
    return {tensor.name: _example(tensor, sizes, generator) for tensor in part.inputs}


def _example(tensor: TensorSpec, sizes: Mapping[str, int], generator: torch.Generator) -> torch.Tensor:
    shape, dtype = tensor.example_shape(sizes), TORCH_TYPES[tensor.dtype]
    if tensor.name == SLOTS:  # the tables of the traced network have the first alone
        return torch.zeros(shape, dtype=dtype)
    if dtype == torch.int64:
        return torch.randint(1, 10, shape, generator=generator)
    return torch.rand(shape, generator=generator) * 0.9 + 0.05


def trace(network: nn.Module, part: ModelPart) -> onnx.ModelProto:
    """The graph without its weights: they are inputs, after the part's own, under their names in torch.

    So no copy of them is made (torch's exporter makes several, one of them in a file for each weight);
    names.py gives the graph its weights. Raises ExportError.
    """
    config = PartConfig(part)
    with warnings.catch_warnings(), TemporaryDirectory() as folder, torch.no_grad():
        # The exporter that keeps module paths in node names is deprecated, and the tracer warns of each
        # Python branch on a size. The LoRA merge needs the paths; the parity tests cover the branches.
        warnings.simplefilter("ignore")
        try:
            with config.patch_model_for_export(network.eval()):
                torch.onnx.export(
                    network,
                    (config.generate_dummy_inputs(),),
                    os.fspath(Path(folder) / MODEL_FILE),
                    input_names=list(config.inputs),
                    output_names=list(config.outputs),
                    dynamic_axes=config.inputs | config.outputs,
                    opset_version=OPSET,
                    dynamo=False,
                    export_params=False,
                    keep_initializers_as_inputs=True,  # else equal weights would become one
                    do_constant_folding=False,  # it would copy what it folds
                )
        except OSError:  # a full disk is told as such
            raise
        except Exception as error:  # whatever torch says of a network that does not fit together
            raise ExportError(f"The {part.name} cannot be traced: {first_line(error)}") from error
        return onnx.load(Path(folder) / MODEL_FILE)


def weights_of(network: nn.Module) -> dict[str, npt.NDArray[Any]]:
    """Views of all that a network's graph may use, by name; a bank's tables stay inputs."""
    return {name: _array(tensor) for name, tensor in network.state_dict().items() if not is_table(name)}


def _array(tensor: torch.Tensor) -> npt.NDArray[Any]:
    """numpy has no bfloat16 of its own."""
    if tensor.dtype == torch.bfloat16:
        found: npt.NDArray[Any] = tensor.detach().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
        return found
    array: npt.NDArray[Any] = tensor.detach().numpy()
    return array


def declare_outputs(model: onnx.ModelProto, part: ModelPart) -> None:
    """The exporter does not see that some sizes are fixed (77 tokens), and says so in the graph's outputs."""
    for output, tensor in zip(model.graph.output, part.outputs, strict=True):
        sizes = output.type.tensor_type.shape.dim
        for size, dim in zip(sizes[1:], tensor.dims, strict=True):
            if isinstance(dim, int):
                size.dim_value = dim
