"""bf16 where the processor computes with it: elsewhere it is emulated, at a thirteenth of the speed."""

from __future__ import annotations

import torch


def mixed() -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=_in_hardware())


def _in_hardware() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported())
