"""Where the weights that a LoRA changes lie in an exported network, and what LoRA files call them.

A name in a file is a prefix, which says of which network the layer is, and a module's path there in
diffusers' or Stability's words. Dots and underscores mean the same (export.lora.keys.flatten): kohya's names
have none but underscores, and all paths stay different without dots.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import onnx

from contract.families import FLUX_DEV, FLUX_SCHNELL, SD3, SD3_CLIP, Z_IMAGE, Z_IMAGE_TURBO, Family
from export.graphs.weight_names import parameter_of
from export.lora.adapters import Rows
from export.lora.flux_names import flux_names
from export.lora.keys import flatten
from export.lora.mmdit_names import mmdit_names
from export.lora.other_names import OtherName
from export.lora.stability_names import sgm_names
from export.lora.z_image_names import z_image_names

WEIGHT, BIAS = ".weight", ".bias"
PEFT = "(?:base_model_model_)?"
TEXT_BARE = "(?=text_model_|encoder_layers_)"
CLIP = ("clip_l", "clip_g")  # ComfyUI's and OneTrainer's names of the text encoders, in a family's order
BLOCK = re.compile(r"text_model_encoder_layers_(\d+)_")


@dataclass(frozen=True)
class Root:
    """One network of a checkpoint, and what stands in front of its modules' paths."""

    graph: str  # in an exported graph
    prefix: re.Pattern[str]  # of a layer's flat name
    last_unused: bool = False  # whether nothing reads what the last block makes, so that the graph lacks it
    other_names: Callable[[Collection[str]], Iterable[OtherName]] = lambda paths: ()
    """Of a network's modules, whose paths are given: what other programs call them."""

    def path_of(self, layer: str) -> str | None:
        """The flat path of a layer's module, if the name says that it is of this network."""
        flat = flatten(layer)
        found = self.prefix.match(flat)
        return None if found is None else _modern(flat[found.end() :])


def _unet_names(paths: Collection[str]) -> Iterable[OtherName]:
    return (OtherName(theirs, (ours,)) for ours, theirs in sgm_names(paths).items())


UNET = Root(
    "unet.",
    re.compile(f"{PEFT}(?:(?:lora_unet|lycoris|unet|(?:model_)?diffusion_model)_{PEFT})?"),
    other_names=_unet_names,
)
TRANSFORMER = re.compile(
    f"{PEFT}(?:(?:lora_unet|lora_transformer|lycoris|transformer(?!_blocks)|(?:model_)?diffusion_model)_{PEFT})?"
)
OTHER_NAMES = {
    SD3.name: mmdit_names,
    SD3_CLIP.name: mmdit_names,
    FLUX_DEV.name: flux_names,
    FLUX_SCHNELL.name: flux_names,
    Z_IMAGE.name: z_image_names,
    Z_IMAGE_TURBO.name: z_image_names,
}
"""By family, of those whose denoiser is a transformer."""


def denoiser_root(family: Family) -> Root:
    if family.denoiser == "unet":
        return UNET
    return Root(f"{family.denoiser}.", TRANSFORMER, other_names=OTHER_NAMES[family.name])


def text_encoder_roots(family: Family) -> tuple[Root, ...]:
    """Trainers count them from 1, and not at all where there is one; then they may have no prefix."""
    count = len(family.text_encoders)
    return tuple(
        Root(
            f"{encoder.name}.",
            re.compile(f"{PEFT}(?:(?:{_spellings(encoder.name, number)})_{PEFT}{_or_bare(count)})"),
            last_unused=encoder.layer == "penultimate" and not encoder.pooled,
        )
        for number, encoder in enumerate(family.text_encoders, 1)
    )


def _spellings(encoder: str, number: int) -> str:
    clip = [f"(?:text_encoders_)?{name}(?:_transformer)?" for name in CLIP[number - 1 : number]]
    alone = ["lora_te", "te"] if number == 1 else []
    return "|".join([f"lora_te{number}", f"te{number}", rf"{encoder}(?!_\d+_)", *clip, *alone])


def _or_bare(count: int) -> str:
    return f"|{TEXT_BARE}" if count == 1 else ""


def is_of_some_text_encoder(layer: str) -> bool:
    """Whether a name without prefix is of a text encoder, and does not say of which."""
    return re.match(PEFT + TEXT_BARE, flatten(layer)) is not None


def _modern(path: str) -> str:
    """What diffusers before 0.22 called attention's layers, and transformers from 5.6 on a text encoder's."""
    path = re.sub(r"_processor_(?=to_)", "_", path)
    path = re.sub(r"_self_attn_to_(?:([qkv])|out(?:_0)?)$", _projection, path)
    path = re.sub(r"_to_out(?=$|_bias$)", "_to_out_0", path)
    return re.sub(r"^(?=encoder_layers_|final_layer_norm|embeddings_)", "text_model_", path)


def _projection(found: re.Match[str]) -> str:
    return f"_self_attn_{found[1] or 'out'}_proj"


@dataclass(frozen=True)
class Target:
    root: Root
    path: str  # the module in torch: down_blocks.1.attentions.0.proj_in
    initialiser: str
    transposed: bool  # held as [in, out]
    shape: tuple[int, ...]  # as held
    rows: Rows | None = None  # of a LoRA's layer that is for several weights: those for this one

    @property
    def outputs(self) -> int:
        return self.shape[1] if self.transposed else self.shape[0]

    @property
    def full_path(self) -> str:
        """unet.down_blocks.1.attentions.0.proj_in"""
        return self.root.graph + self.path


def targets_of(model: onnx.ModelProto, root: Root = UNET) -> dict[str, Target]:
    """Every linear layer and convolution of a network, by module path; weight_names.py named them."""
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


def by_flat_path(paths: Iterable[str], root: Root) -> dict[str, OtherName]:
    """The same paths, which may end with .bias, by every flat path that root.path_of may return for them."""
    known = set(paths)
    names = [OtherName(path, (path,)) for path in sorted(known)]
    for name in root.other_names({path.removesuffix(BIAS) for path in known}):
        names += [
            replace(name, theirs=name.theirs + end, ours=ours)
            for end in ("", BIAS)
            if known.issuperset(ours := tuple(path + end for path in name.ours))
        ]
    return {_modern(flatten(name.theirs)): name for name in names}


def rows_of(name: OtherName, outputs: Sequence[int]) -> list[Rows | None]:
    """For each of our paths, which of the rows of a LoRA's layer it has; None: all. `outputs`: of each."""
    if len(outputs) == 1 and not name.swapped:
        return [None]
    starts = [sum(outputs[:number]) for number in range(len(outputs))]
    return [
        Rows(start, start + count, sum(outputs), name.swapped)
        for start, count in zip(starts, outputs, strict=True)
    ]


def is_unused(path: str, root: Root, targets: Mapping[str, Target]) -> bool:
    """Whether a flat path is of what a text encoder has and its pipeline never runs, so that the graph lacks
    it: the last block and the norm behind it, a projection that nothing reads. Trainers write them all the
    same."""
    found = (BLOCK.match(_modern(flatten(path))) for path in targets)
    blocks = {block[1] for block in found if block}
    last = (f"text_model_encoder_layers_{len(blocks)}_", "text_model_final_layer_norm")
    if not blocks:
        return False
    return (root.last_unused and path.startswith(last)) or path.removesuffix("_bias") == "text_projection"


def _target(tensor: onnx.TensorProto, root: Root) -> Target | None:
    path, kind = _module_of(tensor.name, root)
    if kind != WEIGHT or len(tensor.dims) not in (2, 4):
        return None
    return Target(root, path, tensor.name, parameter_of(tensor.name)[1], tuple(tensor.dims))


def _module_of(initialiser: str, root: Root) -> tuple[str, str]:
    """The module's path and which of its parameters this is (.weight, .bias); neither for another root's."""
    path, dot, kind = parameter_of(initialiser)[0].rpartition(".")
    return (path.removeprefix(root.graph), dot + kind) if path.startswith(root.graph) else ("", "")
