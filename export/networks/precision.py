"""In which type a network computes, and what that allows it to differ from torch in fp32."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from contract.families import Family

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


def usual_precision(of_engine: Precision, family: Family) -> Precision:
    """Where none is asked for. `of_engine`: the engine's own."""
    return "bf16" if of_engine == "fp16" and family.overflows else of_engine


def precision_of(
    part: str, wanted: Precision, force_upcast: bool, family: Family | None = None, engine: str = ""
) -> Precision:
    """What a part computes in.

    `force_upcast`: the checkpoint says that its VAE overflows in fp16, as SDXL's published one does. torch's
    exporter cannot write CLIP's attention mask in bfloat16; it runs once a picture. A text encoder that
    overflows in fp16 computes in bfloat16, or where onnxruntime runs it, which has none on a CPU, in fp32.
    """
    encoders = family.text_parts.get(part, ()) if family else ()
    if wanted != "fp32" and any(encoder.overflows for encoder in encoders):
        return "fp32" if engine == "onnx" else "bf16"
    overflows = part == "decoder" and force_upcast and wanted == "fp16"
    return "fp32" if overflows or (part == "text-encoder" and wanted == "bf16") else wanted


def cast(module: nn.Module, precision: Precision) -> None:
    """Changes the module's weights in place."""
    for parameter in module.parameters():
        parameter.data = parameter.data.to(TORCH[precision])
