"""The three networks of a model as Triton sees them: tensors, axes, types and batching, each declared once.

The ONNX export names its inputs, outputs and dynamic axes from here, and config.pbtxt is written from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

DType = Literal["FP32", "INT64", "UINT8"]  # Triton's words, without TYPE_
MAX_BATCH = 8
MAX_WINDOWS = 4
"""Of tokens, in the longest prompt."""


@dataclass(frozen=True)
class Tensor:
    """Shape of one sample, without the batch axis; a word is the name of an axis that may be any size."""

    name: str
    dtype: DType
    dims: tuple[int | str, ...]

    @property
    def dynamic_axes(self) -> dict[int, str]:
        """Axis → its name, counted with the batch axis in front."""
        return {0: "batch"} | {i: dim for i, dim in enumerate(self.dims, 1) if isinstance(dim, str)}

    def example_shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        return (sizes["batch"], *(sizes[dim] if isinstance(dim, str) else dim for dim in self.dims))


@dataclass(frozen=True, kw_only=True)
class Part:
    name: str  # what follows the model's name: eros-denoiser
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    queue_delay_us: int  # how long a request may wait for others to share its batch
    rows: int = 1  # samples that one picture sends at once, whatever the batch


def text_encoder(*, width: int, pooled: int | None, window: int) -> Part:
    """A checkpoint's CLIP encoders in one graph; one sample is one window of tokens, pads included.

    SDXL has two encoders and a pooled vector; `pooled` is None for SD 1.5, which has neither.
    """
    second = (Tensor("tokens_2", "INT64", (window,)),) if pooled else ()
    summary = (Tensor("pooled", "FP32", (pooled,)),) if pooled else ()
    return Part(
        name="text-encoder",
        inputs=(Tensor("tokens", "INT64", (window,)), *second),
        outputs=(Tensor("embeddings", "FP32", (window, width)), *summary),
        queue_delay_us=0,
        rows=2 * MAX_WINDOWS,  # the prompt and the negative one
    )


def denoiser(*, channels: int, width: int, pooled: int | None) -> Part:
    """One denoising step with its guidance; every value is per sample, so any requests share a batch."""
    latents = (channels, "height", "width")
    of_sdxl = (
        (
            Tensor("pooled", "FP32", (pooled,)),
            Tensor("negative_pooled", "FP32", (pooled,)),
            Tensor("time_ids", "FP32", (6,)),
        )
        if pooled
        else ()
    )
    return Part(
        name="denoiser",
        inputs=(
            Tensor("latents", "FP32", latents),
            Tensor("sigma", "FP32", (1,)),
            Tensor("sigma_next", "FP32", (1,)),
            Tensor("guidance", "FP32", (1,)),
            Tensor("embeddings", "FP32", ("tokens", width)),
            Tensor("negative_embeddings", "FP32", ("tokens", width)),
            *of_sdxl,
        ),
        outputs=(Tensor("next_latents", "FP32", latents),),
        # None: while one batch computes, the requests for the next one queue anyway, and a lone picture that
        # waits 2 ms for company at every step is 3 % slower for nothing.
        queue_delay_us=0,
    )


def decoder(*, channels: int) -> Part:
    return Part(
        name="decoder",
        inputs=(Tensor("latents", "FP32", (channels, "height", "width")),),
        outputs=(Tensor("image", "UINT8", ("pixel_height", "pixel_width", 3)),),
        queue_delay_us=0,
    )


def sentence_encoder(*, dimension: int) -> Part:
    """Of no picture's model: what makes vectors of prompts, of any length; `mask` is 0 where padded."""
    return Part(
        name="prompt-encoder",
        inputs=(Tensor("tokens", "INT64", ("length",)), Tensor("mask", "INT64", ("length",))),
        outputs=(Tensor("embedding", "FP32", (dimension,)),),
        queue_delay_us=0,
    )
