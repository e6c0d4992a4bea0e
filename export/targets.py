"""Where the weights that a LoRA changes lie in an exported denoiser, and what LoRA files call them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx

from export.names import parameter_of
from export.sgm import sgm_names

ROOT = "unet."
WEIGHT = ".weight"
# In front of a dotted path: diffusers, PEFT, or nothing.
DOTTED = (ROOT, "base_model.model.", "diffusion_model.", "")
KOHYA = "lora_unet_"


@dataclass(frozen=True)
class Target:
    path: str  # the module in torch: down_blocks.1.attentions.0.proj_in
    initialiser: str
    transposed: bool  # held as [in, out]
    shape: tuple[int, ...]  # as held


def targets_of(model: onnx.ModelProto) -> dict[str, Target]:
    """Every linear layer and convolution of the UNet, by module path. names.py gave them their names."""
    found = (_target(tensor) for tensor in model.graph.initializer)
    return {target.path: target for target in found if target is not None}


def by_file_name(targets: Mapping[str, Target]) -> dict[str, Target]:
    """The same targets by every name that a LoRA file may use for them, without the suffix of its tensors."""
    names: dict[str, Target] = {}
    theirs = sgm_names(targets)
    for path, target in targets.items():
        for name in _spellings(path, theirs.get(path)):
            names[name] = target
    return names


def _target(tensor: onnx.TensorProto) -> Target | None:
    parameter, transposed = parameter_of(tensor.name)
    if not (parameter.startswith(ROOT) and parameter.endswith(WEIGHT)) or len(tensor.dims) not in (2, 4):
        return None
    path = parameter.removeprefix(ROOT).removesuffix(WEIGHT)
    return Target(path, tensor.name, transposed, tuple(tensor.dims))


def _spellings(path: str, sgm: str | None) -> Iterable[str]:
    yield KOHYA + path.replace(".", "_")
    if sgm is not None:
        yield KOHYA + sgm.replace(".", "_")
    for prefix in DOTTED:
        yield prefix + path
        # diffusers before 0.22 named the attention's processor, and to_out without its index.
        block, _, layer = path.removesuffix(".0").rpartition(".")
        if layer in ("to_q", "to_k", "to_v", "to_out"):
            yield f"{prefix}{block}.processor.{layer}"
