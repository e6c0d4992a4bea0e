"""Where the weights that a LoRA changes lie in an exported network, and what LoRA files call them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx

from export.names import parameter_of
from export.sgm import sgm_names

WEIGHT = ".weight"


@dataclass(frozen=True)
class Root:
    """One network of a checkpoint, and what stands in front of its modules' paths."""

    graph: str  # in an exported graph, and in diffusers' files
    kohya: tuple[str, ...]  # then the path with _ for .
    dotted: tuple[str, ...]  # then the path as it is

    def names(self, layer: str) -> bool:
        """Whether the name of a LoRA's layer says that it is of this network."""
        return layer.startswith((*self.kohya, *filter(None, self.dotted)))


UNET = Root("unet.", ("lora_unet_",), ("unet.", "base_model.model.", "diffusion_model.", ""))
TEXT_ENCODERS = (
    Root("text_encoder.", ("lora_te1_", "lora_te_"), ("text_encoder.", "te1.")),
    Root("text_encoder_2.", ("lora_te2_",), ("text_encoder_2.", "te2.")),
)


@dataclass(frozen=True)
class Target:
    root: Root
    path: str  # the module in torch: down_blocks.1.attentions.0.proj_in
    initialiser: str
    transposed: bool  # held as [in, out]
    shape: tuple[int, ...]  # as held

    @property
    def full_path(self) -> str:
        """unet.down_blocks.1.attentions.0.proj_in"""
        return self.root.graph + self.path


def targets_of(model: onnx.ModelProto, root: Root = UNET) -> dict[str, Target]:
    """Every linear layer and convolution of a network, by module path. names.py gave them their names."""
    found = (_target(tensor, root) for tensor in model.graph.initializer)
    return {target.path: target for target in found if target is not None}


def by_file_name(targets: Mapping[str, Target]) -> dict[str, Target]:
    """The same targets by every name that a LoRA file may use for them, without the suffix of its tensors."""
    names: dict[str, Target] = {}
    theirs = sgm_names({path: target for path, target in targets.items() if target.root is UNET})
    for path, target in targets.items():
        for name in _spellings(target.root, path, theirs.get(path)):
            names[name] = target
    return names


def unused_layer(name: str, targets: Mapping[str, Target]) -> bool:
    """Whether a LoRA's layer is of the first text encoder's last block, which SDXL never runs.

    Trainers write it all the same; the exported graph ends one block earlier.
    """
    first = TEXT_ENCODERS[0]
    layers = "text_model.encoder.layers."
    blocks = {
        path.removeprefix(layers).partition(".")[0]
        for path, target in targets.items()
        if target.root is first and path.startswith(layers)
    }
    block = f"{layers}{len(blocks)}."
    spelled = (
        *(prefix + block.replace(".", "_") for prefix in first.kohya),
        *(prefix + block for prefix in first.dotted),
    )
    return bool(blocks) and name.startswith(spelled)


def _target(tensor: onnx.TensorProto, root: Root) -> Target | None:
    parameter, transposed = parameter_of(tensor.name)
    if not (parameter.startswith(root.graph) and parameter.endswith(WEIGHT)) or len(tensor.dims) not in (
        2,
        4,
    ):
        return None
    path = parameter.removeprefix(root.graph).removesuffix(WEIGHT)
    return Target(root, path, tensor.name, transposed, tuple(tensor.dims))


def _spellings(root: Root, path: str, sgm: str | None) -> Iterable[str]:
    for prefix in root.kohya:
        yield prefix + path.replace(".", "_")
        if sgm is not None:
            yield prefix + sgm.replace(".", "_")
    for prefix in root.dotted:
        yield prefix + path
        # diffusers before 0.22 named the attention's processor, and to_out without its index.
        block, _, layer = path.removesuffix(".0").rpartition(".")
        if layer in ("to_q", "to_k", "to_v", "to_out"):
            yield f"{prefix}{block}.processor.{layer}"
