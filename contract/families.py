"""Model families: what distinguishes the checkpoints that can be exported and drawn with, a row for each.

The exporter, the merge of LoRAs, the comparison with torch and Triton's pipeline read these rows. How a new
one is added: docs/families.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from contract.limits import MAX_ENGINE_WINDOWS
from contract.names import DECODER, DENOISER, TEXT_ENCODER
from contract.parts import ModelPart, TensorSpec
from contract.schedules import Diffusion, ScaledLinearSchedule

TIME_IDS = 6
"""SDXL's micro-conditioning: original height and width, crop's top and left, target height and width."""


@dataclass(frozen=True, kw_only=True)
class TextEncoder:
    """One of a family's. All are joined, token by token, in one network that takes one window of tokens."""

    name: str  # its folder in a checkpoint, and how its weights' names begin in the exported graph
    tokenizer: str  # its tokenizer's folder
    pad: str  # what the published tokenizer fills a window with
    layer: Literal["last", "penultimate"]
    """Whose states are the embeddings: the last one's with its norm, or those of the one before without."""
    pooled: bool = False  # whether the denoiser takes its projection of the text as a whole, too

    @property
    def tokens(self) -> str:
        """The input of the network: tokens for `tokenizer`, tokens_2 for `tokenizer_2`."""
        return self.tokenizer.replace("tokenizer", "tokens")

    @property
    def pad_token(self) -> str:
        """pipeline.json's word for the id of `pad` in a checkpoint's own tokenizer."""
        return self.tokenizer.replace("tokenizer", "pad_token")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What checkpoints of one family may differ in."""

    width: int  # of the embeddings of all text encoders together
    pooled: int  # of the pooled vectors together; 0 where there are none
    window: int  # tokens
    channels: int  # of the latents


@dataclass(frozen=True, kw_only=True)
class Family:
    name: str  # in pipeline.json, and of its module in export/families
    title: str  # for people
    pipeline: str  # diffusers' class, in model_index.json
    text_encoders: tuple[TextEncoder, ...]
    time_ids: bool  # whether the denoiser is told the picture's size
    latent_channels: int  # as published, as is the next one
    downscale: int  # pixels per latent, along one side
    diffusion: Diffusion
    """What single files are that do not say otherwise."""
    steps: int = 30
    guidance: float = 7.0
    """These two are what a model's first entry in the catalogue says."""

    @property
    def has_pooled(self) -> bool:
        return any(encoder.pooled for encoder in self.text_encoders)

    @property
    def encoded(self) -> tuple[str, ...]:
        """The text encoder's outputs."""
        return ("embeddings", "pooled") if self.has_pooled else ("embeddings",)

    def parts(self, sizes: Sizes) -> Mapping[str, ModelPart]:
        """By name, in the order in which a picture goes through them."""
        parts = (self._text_encoder(sizes), self._denoiser(sizes), self._decoder(sizes))
        return {part.name: part for part in parts}

    def _text_encoder(self, sizes: Sizes) -> ModelPart:
        """All encoders in one graph; one sample is one window of tokens, pads included."""
        embeddings = TensorSpec("embeddings", "FP32", (sizes.window, sizes.width))
        return ModelPart(
            name=TEXT_ENCODER,
            inputs=tuple(TensorSpec(one.tokens, "INT64", (sizes.window,)) for one in self.text_encoders),
            outputs=(embeddings, *((_pooled("pooled", sizes),) if self.has_pooled else ())),
            rows=2 * MAX_ENGINE_WINDOWS,  # the prompt and the negative one
        )

    def _denoiser(self, sizes: Sizes) -> ModelPart:
        """One denoising step with its guidance; every value is per sample, so any requests share a batch.

        Without a queue delay: while one batch computes, the requests for the next one queue anyway, and a
        lone picture that waits 2 ms for company at every step is 3 % slower for nothing.
        """
        latents = (sizes.channels, "height", "width")
        pooled = (_pooled("pooled", sizes), _pooled("negative_pooled", sizes)) if self.has_pooled else ()
        time_ids = (TensorSpec("time_ids", "FP32", (TIME_IDS,), "pixels"),) if self.time_ids else ()
        return ModelPart(
            name=DENOISER,
            inputs=(
                TensorSpec("latents", "FP32", latents),
                TensorSpec("sigma", "FP32", (1,), "standard deviation of the noise"),
                TensorSpec("sigma_next", "FP32", (1,), "the same after the step; 0 after the last"),
                TensorSpec("guidance", "FP32", (1,), "1 is none"),
                TensorSpec("embeddings", "FP32", ("tokens", sizes.width)),
                TensorSpec("negative_embeddings", "FP32", ("tokens", sizes.width)),
                *pooled,
                *time_ids,
            ),
            outputs=(TensorSpec("next_latents", "FP32", latents),),
        )

    def _decoder(self, sizes: Sizes) -> ModelPart:
        return ModelPart(
            name=DECODER,
            inputs=(TensorSpec("latents", "FP32", (sizes.channels, "height", "width")),),
            outputs=(TensorSpec("image", "UINT8", ("pixel_height", "pixel_width", 3), "RGB"),),
        )


def _pooled(name: str, sizes: Sizes) -> TensorSpec:
    return TensorSpec(name, "FP32", (sizes.pooled,))


_PUBLISHED = Diffusion(
    "epsilon",
    ScaledLinearSchedule(
        beta_start=0.00085, beta_end=0.012, train_steps=1000, spacing="leading", steps_offset=1
    ),
)

SDXL = Family(
    name="sdxl",
    title="SDXL",
    pipeline="StableDiffusionXLPipeline",
    text_encoders=(
        TextEncoder(
            name="text_encoder",
            tokenizer="tokenizer",
            pad="<|endoftext|>",
            layer="penultimate",
        ),
        TextEncoder(
            name="text_encoder_2",
            tokenizer="tokenizer_2",
            pad="!",
            layer="penultimate",
            pooled=True,
        ),
    ),
    time_ids=True,
    latent_channels=4,
    downscale=8,
    diffusion=_PUBLISHED,
    guidance=6.0,
)
SD15 = Family(
    name="sd15",
    title="SD 1.5",
    pipeline="StableDiffusionPipeline",
    text_encoders=(
        TextEncoder(
            name="text_encoder",
            tokenizer="tokenizer",
            pad="<|endoftext|>",
            layer="last",
        ),
    ),
    time_ids=False,
    latent_channels=4,
    downscale=8,
    diffusion=_PUBLISHED,
    guidance=7.5,
)
FAMILIES: tuple[Family, ...] = (SDXL, SD15)


def family_named(name: str) -> Family:
    """Raises ValueError."""
    for family in FAMILIES:
        if family.name == name:
            return family
    raise ValueError(f"family is {name!r}, expected {', '.join(family.name for family in FAMILIES)}")


def family_titles() -> str:
    """Of all, for errors and help: SDXL or SD 1.5."""
    *some, last = (family.title for family in FAMILIES)
    return " or ".join(filter(None, (", ".join(some), last)))
