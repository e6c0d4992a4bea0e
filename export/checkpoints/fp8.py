"""Weights in 8-bit floats with a scale each, as ComfyUI and its converters write them."""

import torch

from export.errors import ExportError

EIGHT_BITS = (torch.float8_e4m3fn, torch.float8_e5m2)
SCALES = ("scale_weight", "weight_scale")
"""Names of a weight's scale beside it: one number, or one for each row."""


def scaled(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """With these as fp16: weight times scale, where there is one. Some loaders leave 8 bits as they are.

    Raises ExportError for a scale that is no number and none for each row.
    """
    found = dict(state)
    for key, weight in state.items():
        if weight.dtype in EIGHT_BITS:
            stem = key.removesuffix("weight")
            scale = next((state[stem + name] for name in SCALES if stem + name in state), torch.ones(1))
            if scale.numel() not in (1, weight.shape[0] if weight.ndim else 1):
                raise ExportError(
                    f"The scale of {key} has {[*scale.shape]} numbers, its weight {[*weight.shape]}; "
                    "take the file with fp16 or fp32 weights"
                )
            rows = scale.float().reshape(-1, *[1] * (weight.ndim - 1))
            found[key] = (weight.float() * rows).half()
    return found
