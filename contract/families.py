"""Model families: what distinguishes the checkpoints that can be exported and drawn with, a row for each.

The exporter, the merge of LoRAs, the comparison with torch and Triton's pipeline read these rows. How a new
one is added: docs/families.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import gcd
from typing import Literal

from contract.limits import MAX_ENGINE_WINDOWS, MAX_WINDOWS
from contract.names import DECODER, DENOISER, TEXT_ENCODER, TEXT_ENCODER_T5
from contract.parts import ModelPart, TensorSpec
from contract.schedules import Diffusion, FlowSchedule, ScaledLinearSchedule

Guiding = Literal["negative", "number", "none"]
"""How a denoiser is guided: it runs on the prompt and on the negative one, and goes from the one towards the
other (classifier-free guidance); or on the prompt alone, and takes the guidance as a number that it was
trained with; or on the prompt alone."""

GUIDED = "guidance_embeds"
"""diffusers' word in a denoiser's config for whether it takes the guidance as a number."""
MASKED_STEP = 128
"""The tokens of a masked text are cut to a multiple of it, behind the last that is text: texts of like length
share a batch, and short ones do not take as long as long ones."""

TIME_IDS = 6
"""SDXL's micro-conditioning: original height and width, crop's top and left, target height and width."""


@dataclass(frozen=True, kw_only=True)
class TextEncoder:
    """One of a family's. Those of one part are joined, token by token, in one network that takes one window
    of tokens. What different parts make stands one behind the other, padded with zeros to the denoiser's
    width."""

    name: str  # its folder in a checkpoint, and how its weights' names begin in the exported graph
    tokenizer: str  # its tokenizer's folder
    pad: str  # what the published tokenizer fills a window with
    layer: Literal["last", "penultimate", "none"]
    """Whose states are the embeddings: the last one's with its norm, or those of the one before without;
    none: the denoiser takes its pooled text alone."""
    pooled: bool = False  # whether the denoiser takes its projection of the text as a whole, too
    part: str = TEXT_ENCODER  # the network that it is in
    # These are the same for all encoders of a part.
    window: int | None = None  # tokens; None: as many as the checkpoint's has positions for
    windows: int = MAX_WINDOWS  # of one text at most; neighbours of a longer one are averaged
    masked: bool = False  # whether it and the denoiser are told which tokens are padding
    kept: bool = False  # whether what it makes of a text is kept in memory: it is large, and slow
    overflows: bool = False  # in fp16, so that it computes in bf16 where the others compute in that
    # These are not.
    template: tuple[str, str] | None = None
    """What stands before and after each window's text. None: what its tokenizer puts around a text."""

    @property
    def tokens(self) -> str:
        """The input of the network: tokens for `tokenizer`, tokens_2 for `tokenizer_2`."""
        return self.tokenizer.replace("tokenizer", "tokens")

    @property
    def pad_token(self) -> str:
        """pipeline.json's word for the id of `pad` in a checkpoint's own tokenizer."""
        return self.tokenizer.replace("tokenizer", "pad_token")

    @property
    def mask(self) -> str:
        """The input that says which of its tokens are text: mask, mask_2 for `tokenizer_2`."""
        return self.tokenizer.replace("tokenizer", "mask")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What checkpoints of one family may differ in."""

    width: int  # of the embeddings that the denoiser takes
    pooled: int  # of the pooled vectors together; 0 where there are none
    window: int  # tokens, of text encoders whose row does not say it
    channels: int  # of the latents
    widths: Mapping[str, int] = field(default_factory=dict)  # of the embeddings of each text part that differ


@dataclass(frozen=True, kw_only=True)
class Family:
    name: str  # in pipeline.json, and of its module in export/families
    title: str  # for people
    pipeline: str  # diffusers' class, in model_index.json
    named: str = ""
    """A pattern in the names of a checkpoint that tells it from those of the other families of its build."""
    text_encoders: tuple[TextEncoder, ...]
    time_ids: bool = False  # whether the denoiser is told the picture's size
    blank_tokens: int = 0  # of zeros behind those of the text, in place of an encoder that is not there
    denoiser: str = "unet"  # the denoiser's folder in a checkpoint, and how its weights' names begin
    denoiser_class: str = "UNet2DConditionModel"  # diffusers'
    patch: int = 1  # latents along one side that the denoiser takes as one; every size is a multiple
    guiding: Guiding = "negative"
    overflows: bool = False  # whether its networks overflow in fp16: of 16 bits, it takes bf16
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
    def is_masked(self) -> bool:
        return any(encoder.masked for encoder in self.text_encoders)

    @property
    def text_parts(self) -> Mapping[str, tuple[TextEncoder, ...]]:
        """The networks of text encoders by name, in the order in which their tokens stand."""
        found: dict[str, tuple[TextEncoder, ...]] = {}
        for encoder in self.text_encoders:
            found[encoder.part] = (*found.get(encoder.part, ()), encoder)
        return found

    @property
    def part_names(self) -> tuple[str, ...]:
        """What a model consists of in Triton, in the order in which a picture goes through them."""
        return (*self.text_parts, DENOISER, DECODER)

    def encoded(self, part: str) -> tuple[str, ...]:
        """A text part's outputs."""
        encoders = self.text_parts[part]
        has = {
            "embeddings": any(encoder.layer != "none" for encoder in encoders),
            "pooled": any(encoder.pooled for encoder in encoders),
        }
        return tuple(name for name, there in has.items() if there)

    def window(self, part: str, usual: int) -> int:
        """Tokens of a text part's window. `usual`: where the row does not say it."""
        return self.text_parts[part][0].window or usual

    def tokens(self, usual: int) -> tuple[int, int, int]:
        """Of the denoiser in an engine for few windows: least, most, and what all are multiples of."""
        windows = {
            self.window(part, usual): min(encoders[0].windows, MAX_ENGINE_WINDOWS)
            for part, encoders in self.text_parts.items()
            if "embeddings" in self.encoded(part)
        }
        least, most = sum(windows), sum(window * count for window, count in windows.items())
        blank = self.blank_tokens
        if self.is_masked:
            return MASKED_STEP, most, MASKED_STEP
        return least + blank, most + blank, gcd(*windows, blank)

    def parts(self, sizes: Sizes) -> Mapping[str, ModelPart]:
        """By name, in the order in which a picture goes through them."""
        texts = (self._text_encoder(name, sizes) for name in self.text_parts)
        return {part.name: part for part in (*texts, self._denoiser(sizes), self._decoder(sizes))}

    @property
    def texts(self) -> tuple[str, ...]:
        """How the names of the denoiser's tensors of each text begin: of the prompt, of the negative one."""
        return ("", "negative_") if self.guiding == "negative" else ("",)

    def _text_encoder(self, name: str, sizes: Sizes) -> ModelPart:
        """All encoders of a part in one graph; one sample is one window of tokens, pads included."""
        encoders, window = self.text_parts[name], self.window(name, sizes.window)
        outputs = {
            "embeddings": TensorSpec("embeddings", "FP32", (window, sizes.widths.get(name, sizes.width))),
            "pooled": _pooled("pooled", sizes),
        }
        return ModelPart(
            name=name,
            inputs=(
                *(TensorSpec(one.tokens, "INT64", (window,)) for one in encoders),
                *(TensorSpec(one.mask, "INT64", (window,), "0: padding") for one in encoders if one.masked),
            ),
            outputs=tuple(outputs[output] for output in self.encoded(name)),
            rows=2 * MAX_ENGINE_WINDOWS,  # the prompt and the negative one
        )

    def _denoiser(self, sizes: Sizes) -> ModelPart:
        """One denoising step with its guidance; every value is per sample, so any requests share a batch.

        Without a queue delay: while one batch computes, the requests for the next one queue anyway, and a
        lone picture that waits 2 ms for company at every step is 3 % slower for nothing.
        """
        latents = (sizes.channels, "height", "width")
        texts, is_guided = self.texts, self.guiding != "none"
        guidance = (TensorSpec("guidance", "FP32", (1,), "1 is none"),) if is_guided else ()
        pooled = tuple(_pooled(f"{text}pooled", sizes) for text in texts if self.has_pooled)
        masks = tuple(
            TensorSpec(f"{text}mask", "INT64", ("tokens",), "0: padding") for text in texts if self.is_masked
        )
        time_ids = (TensorSpec("time_ids", "FP32", (TIME_IDS,), "pixels"),) if self.time_ids else ()
        return ModelPart(
            name=DENOISER,
            inputs=(
                TensorSpec("latents", "FP32", latents),
                TensorSpec("sigma", "FP32", (1,), "standard deviation of the noise"),
                TensorSpec("sigma_next", "FP32", (1,), "the same after the step; 0 after the last"),
                *guidance,
                *(TensorSpec(f"{text}embeddings", "FP32", ("tokens", sizes.width)) for text in texts),
                *pooled,
                *masks,
                *time_ids,
            ),
            outputs=(TensorSpec("next_latents", "FP32", latents),),
            patch=self.patch,
            tokens=self.tokens(sizes.window),
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

_CLIP_L = TextEncoder(name="text_encoder", tokenizer="tokenizer", pad="<|endoftext|>", layer="penultimate")
_CLIP_G = TextEncoder(
    name="text_encoder_2", tokenizer="tokenizer_2", pad="!", layer="penultimate", pooled=True
)
_T5 = TextEncoder(
    name="text_encoder_3",
    tokenizer="tokenizer_3",
    pad="<pad>",
    layer="last",
    part=TEXT_ENCODER_T5,
    window=256,
    windows=4,
    kept=True,
    overflows=True,
)
"""As SDXL and SD 3.5 have them; what a row has otherwise, it says."""

SDXL = Family(
    name="sdxl",
    title="SDXL",
    pipeline="StableDiffusionXLPipeline",
    text_encoders=(
        _CLIP_L,
        _CLIP_G,
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
    text_encoders=(replace(_CLIP_L, layer="last"),),
    time_ids=False,
    latent_channels=4,
    downscale=8,
    diffusion=_PUBLISHED,
    guidance=7.5,
)
SD3 = Family(
    name="sd3",
    title="SD 3.5",
    pipeline="StableDiffusion3Pipeline",
    text_encoders=(
        replace(_CLIP_L, pooled=True),
        _CLIP_G,
        _T5,
    ),
    denoiser="transformer",
    denoiser_class="SD3Transformer2DModel",
    patch=2,
    latent_channels=16,
    downscale=8,
    diffusion=Diffusion("flow", FlowSchedule(3.0).to_least()),
    steps=40,
    guidance=4.5,
)
SD3_CLIP = replace(
    SD3,
    name="sd3_clip",
    title="SD 3.5 without T5",
    text_encoders=SD3.text_encoders[:2],
    blank_tokens=256,
)
"""It was trained with zeros in place of T5's tokens, too."""
FLUX_DEV = Family(
    name="flux_dev",
    title="FLUX.1 dev",
    pipeline="FluxPipeline",
    text_encoders=(
        replace(_CLIP_L, layer="none", pooled=True),
        replace(_T5, name="text_encoder_2", tokenizer="tokenizer_2", window=512, windows=1),
    ),
    denoiser="transformer",
    denoiser_class="FluxTransformer2DModel",
    patch=2,
    guiding="number",
    latent_channels=16,
    downscale=8,
    diffusion=Diffusion("flow", FlowSchedule(1.0, by_size=True)),
    steps=28,
    guidance=3.5,
)
FLUX_SCHNELL = replace(
    FLUX_DEV,
    name="flux_schnell",
    title="FLUX.1 schnell",
    text_encoders=(FLUX_DEV.text_encoders[0], replace(FLUX_DEV.text_encoders[1], window=256)),
    guiding="none",
    diffusion=Diffusion("flow", FlowSchedule(1.0)),
    steps=4,
    guidance=1.0,
)
Z_IMAGE = Family(
    name="z_image",
    title="Z-Image",
    pipeline="ZImagePipeline",
    text_encoders=(
        TextEncoder(
            name="text_encoder",
            tokenizer="tokenizer",
            pad="<|endoftext|>",
            layer="penultimate",
            window=512,
            windows=1,
            masked=True,
            kept=True,
            overflows=True,
            template=("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"),
        ),
    ),
    denoiser="transformer",
    denoiser_class="ZImageTransformer2DModel",
    patch=2,
    overflows=True,
    latent_channels=16,
    downscale=8,
    diffusion=Diffusion("flow", FlowSchedule(6.0)),
    steps=30,
    guidance=5.0,
)
Z_IMAGE_TURBO = replace(
    Z_IMAGE,
    name="z_image_turbo",
    title="Z-Image-Turbo",
    named=r"(?<!de)(?<!de.)turbo",
    guiding="none",
    diffusion=Diffusion("flow", FlowSchedule(3.0)),
    steps=8,
    guidance=1.0,
)
FAMILIES: tuple[Family, ...] = (
    *(SDXL, SD15, SD3, SD3_CLIP, FLUX_DEV, FLUX_SCHNELL),
    *(Z_IMAGE, Z_IMAGE_TURBO),
)


def family_named(name: str) -> Family:
    """Raises ValueError."""
    for family in FAMILIES:
        if family.name == name:
            return family
    raise ValueError(f"family is {name!r}, expected {', '.join(family.name for family in FAMILIES)}")


def family_titles() -> str:
    """For errors and help: SDXL, SD 1.5 or SD 3.5; without those that are variants of another."""
    titles = [family.title for family in FAMILIES]
    *some, last = (one for one in titles if not one.startswith(tuple(f"{other} " for other in titles)))
    return " or ".join(filter(None, (", ".join(some), last)))
