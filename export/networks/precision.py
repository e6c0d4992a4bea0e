"""In which type a network computes, and what that allows it to differ from torch in fp32."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from contract.names import DECODER, TEXT_ENCODER, TEXT_ENCODER_T5

Precision = Literal["fp32", "fp16", "bf16"]
TORCH: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}


@dataclass(frozen=True)
class Limit:
    """What an engine may differ from torch in fp32."""

    mean: float  # error, beside the mean size of torch's values
    psnr: float  # dB, of a picture of four steps


# By precision and type of the stored weights. Rounding alone gives a third to a tenth of these.
LIMITS: dict[tuple[str, str], Limit] = {
    ("fp32", "fp32"): Limit(mean=1e-4, psnr=50),
    ("fp32", "fp16"): Limit(mean=5e-3, psnr=35),
    ("fp16", "fp16"): Limit(mean=2e-2, psnr=30),
    ("bf16", "bf16"): Limit(mean=1e-1, psnr=22),
}


def precision_of(part: str, wanted: Precision, force_upcast: bool) -> Precision:
    """What a part computes in.

    `force_upcast`: the checkpoint says that its VAE overflows in fp16, as SDXL's published one does; so does
    T5, which was trained in bf16. torch's exporter cannot write CLIP's attention mask in bfloat16; text
    encoders run once a picture.
    """
    overflows = (part == DECODER and force_upcast) or part == TEXT_ENCODER_T5
    unwritten = part == TEXT_ENCODER
    return "fp32" if (overflows and wanted == "fp16") or (unwritten and wanted == "bf16") else wanted


def cast(module: nn.Module, precision: Precision) -> None:
    """Changes the module's weights in place."""
    for parameter in module.parameters():
        parameter.data = parameter.data.to(TORCH[precision])
