"""What Triton's models take and give: tensors, axes, types, units.

Each model is declared once, here or by its family; config.pbtxt is written from it, or held to it by a test.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from contract.names import MODEL_CONTROL, PROMPT_ENCODER, TEXT_TO_IMAGE

DType = Literal["FP32", "INT32", "INT64", "UINT8", "BOOL", "STRING"]  # Triton's words, without TYPE_
TIMINGS = ("encode", "denoise", "decode")
"""What each of text_to_image's `timings` is of."""

TEXT, EMBEDDING, ENCODER = "text", "embedding", "encoder"
"""The prompt encoder's tensors."""


@dataclass(frozen=True)
class TensorSpec:
    """Shape of one sample, without the batch axis; a word is the name of an axis that may be any size."""

    name: str
    dtype: DType
    dims: tuple[int | str, ...]
    unit: str = ""  # or what the values are
    optional: bool = False  # an input that a request may lack

    @property
    def dynamic_axes(self) -> dict[int, str]:
        """Axis → its name, counted with the batch axis in front."""
        return {0: "batch"} | {i: dim for i, dim in enumerate(self.dims, 1) if isinstance(dim, str)}

    def example_shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        return (sizes["batch"], *(sizes[dim] if isinstance(dim, str) else dim for dim in self.dims))


@dataclass(frozen=True, kw_only=True)
class ModelPart:
    name: str  # what follows the model's name, eros-denoiser; or the whole of a fixed one's
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    queue_delay_us: int = 0  # how long a request may wait for others to share its batch
    rows: int = 1  # samples that one picture sends at once, whatever the batch
    patch: int = 1  # what the axes height and width are multiples of
    tokens: tuple[int, int, int] = (1, 1, 1)
    """Of the axis of that name, in an engine for few windows: least, most and step."""


def _text(name: str) -> TensorSpec:
    return TensorSpec(name, "STRING", (1,), "UTF-8")


TEXT_TO_IMAGE_PART = ModelPart(
    name=TEXT_TO_IMAGE,
    inputs=(
        _text("prompt"),
        _text("negative"),
        _text("model"),
        TensorSpec("character", "STRING", (1,), "UTF-8; empty for none"),
        TensorSpec("width", "INT32", (1,), "pixels"),
        TensorSpec("height", "INT32", (1,), "pixels"),
        TensorSpec("steps", "INT32", (1,), "calls of the denoiser"),
        TensorSpec("guidance", "FP32", (1,), "1 is none"),
        TensorSpec("seed", "INT64", (1,)),
        TensorSpec("style", "STRING", (1,), "that has a LoRA, UTF-8; may be left out", optional=True),
        TensorSpec("style_strength", "FP32", (1,), "how much of that LoRA", optional=True),
        TensorSpec("sampler", "STRING", (1,), "in place of the model's own", optional=True),
        TensorSpec("spacing", "STRING", (1,), "of the noise levels, likewise", optional=True),
    ),
    outputs=(
        TensorSpec("progress", "FP32", (1,), "share of the work that is done, 0 to 1; alone in a response"),
        TensorSpec("image", "UINT8", ("height", "width", 3), "RGB"),
        TensorSpec("timings", "FP32", (len(TIMINGS),), "ms"),
        TensorSpec("weights", "STRING", (1,), "JSON: SHA-256 by role, and strengths"),
        TensorSpec(
            "runtime", "STRING", (1,), "what ran the networks: library, version, precision; may be empty"
        ),
        TensorSpec("sampling", "STRING", (1,), "sampler and, where it has a name, spacing"),
    ),
)
"""Without a batch axis. Decoupled: responses with `progress`, then one with all the others."""
MODEL_CONTROL_PART = ModelPart(
    name=MODEL_CONTROL,
    inputs=(_text("key"), TensorSpec("action", "STRING", (1,), "load, unload or inventory"), _text("model")),
    outputs=(
        TensorSpec("done", "BOOL", (1,)),
        TensorSpec("inventory", "STRING", (1,), "JSON: contract/inventory.py; of that action alone"),
    ),
)
"""Without a batch axis. `key` and `model` matter for loading and unloading alone."""


def prompt_encoder(*, dimension: int) -> ModelPart:
    """The Triton model."""
    return ModelPart(
        name=PROMPT_ENCODER,
        inputs=(_text(TEXT),),
        outputs=(
            TensorSpec(EMBEDDING, "FP32", (dimension,), "of unit length"),
            TensorSpec(ENCODER, "STRING", (1,), "SHA-256 of what made it, in hexadecimal"),
        ),
    )


def sentence_encoder(*, dimension: int) -> ModelPart:
    """The graph within the prompt encoder's model, for texts of any length."""
    return ModelPart(
        name=PROMPT_ENCODER,
        inputs=(
            TensorSpec("tokens", "INT64", ("length",)),
            TensorSpec("mask", "INT64", ("length",), "0: padded"),
        ),
        outputs=(TensorSpec(EMBEDDING, "FP32", (dimension,), "of unit length"),),
    )
