"""Where the weights that a LoRA changes lie in an exported network, and what LoRA files call them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx

from contract.families import Family
from export.graphs.weight_names import parameter_of
from export.lora.stability_names import sgm_names

WEIGHT, BIAS = ".weight", ".bias"


@dataclass(frozen=True)
class Root:
    """One network of a checkpoint, and what stands in front of its modules' paths."""

    graph: str  # in an exported graph, and in diffusers' files
    kohya: tuple[str, ...]  # then the path with _ for .
    dotted: tuple[str, ...]  # then the path as it is
    last_unused: bool = False  # whether nothing reads what the last block makes, so that the graph lacks it

    def names(self, layer: str) -> bool:
        """Whether the name of a LoRA's layer says that it is of this network."""
        return layer.startswith((*self.kohya, *filter(None, self.dotted)))


UNET = Root("unet.", ("lora_unet_", "lycoris_"), ("unet.", "base_model.model.", "diffusion_model.", ""))


def text_encoder_roots(family: Family) -> tuple[Root, ...]:
    """kohya's trainers count them from 1, and not at all where there is one."""
    return tuple(
        Root(
            f"{encoder.name}.",
            (f"lora_te{number}_", *(("lora_te_",) if number == 1 else ())),
            (f"{encoder.name}.", f"te{number}."),
            last_unused=encoder.layer == "penultimate" and not encoder.pooled,
        )
        for number, encoder in enumerate(family.text_encoders, 1)
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


def vectors_of(model: onnx.ModelProto, root: Root = UNET) -> dict[str, Target]:
    """Norms' weights by module path and every bias by module path and .bias: what full differences change."""
    found = {}
    for tensor in model.graph.initializer:
        path, kind = _module_of(tensor.name, root)
        if kind == BIAS or (kind == WEIGHT and len(tensor.dims) in (1, 3)):
            key = path + (BIAS if kind == BIAS else "")
            found[key] = Target(root, path, tensor.name, False, tuple(tensor.dims))
    return found


def by_file_name(targets: Mapping[str, Target]) -> dict[str, Target]:
    """The same targets by every name that a LoRA file may use for them, without the suffix of its tensors."""
    names: dict[str, Target] = {}
    theirs = sgm_names({target.path for target in targets.values() if target.root is UNET})
    for key, target in targets.items():
        for name in _spellings(target.root, target.path, theirs.get(target.path)):
            names[name + key.removeprefix(target.path)] = target
    return names


def unused_layer(name: str, root: Root, targets: Mapping[str, Target]) -> bool:
    """Whether a LoRA's layer is of a text encoder's last block where that is never run.

    Trainers write it all the same; the exported graph ends one block earlier.
    """
    layers = "text_model.encoder.layers."
    blocks = {path.removeprefix(layers).partition(".")[0] for path in targets if path.startswith(layers)}
    block = f"{layers}{len(blocks)}."
    spelled = (
        *(prefix + block.replace(".", "_") for prefix in root.kohya),
        *(prefix + block for prefix in root.dotted),
    )
    return root.last_unused and bool(blocks) and name.startswith(spelled)


def _target(tensor: onnx.TensorProto, root: Root) -> Target | None:
    path, kind = _module_of(tensor.name, root)
    if kind != WEIGHT or len(tensor.dims) not in (2, 4):
        return None
    return Target(root, path, tensor.name, parameter_of(tensor.name)[1], tuple(tensor.dims))


def _module_of(initialiser: str, root: Root) -> tuple[str, str]:
    """The module's path and which of its parameters this is (.weight, .bias); neither for another root's."""
    path, dot, kind = parameter_of(initialiser)[0].rpartition(".")
    return (path.removeprefix(root.graph), dot + kind) if path.startswith(root.graph) else ("", "")


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
