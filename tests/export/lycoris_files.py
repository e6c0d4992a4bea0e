"""LoRA files that LyCORIS itself writes, with random weights, for a tiny checkpoint's networks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from lycoris.kohya import create_network
from torch import nn

ALGORITHMS: Mapping[str, Mapping[str, Any]] = {
    "LoCon": {"algo": "locon"},
    "LoCon, middle matrix": {"algo": "locon", "use_tucker": True},
    "LoHa": {"algo": "loha"},
    "LoHa, Tucker": {"algo": "loha", "use_tucker": True},
    "LoKr": {"algo": "lokr", "factor": 4},
    "LoKr, Tucker, both sides": {"algo": "lokr", "factor": 8, "use_tucker": True, "decompose_both": True},
    "LoKr, whole matrices": {"algo": "lokr", "factor": 4, "full_matrix": True},
    "full differences and norms": {"algo": "full", "train_norm": True},
    "DoRA by output": {"algo": "locon", "dora_wd": True, "wd_on_output": True},
    "DoRA by input": {"algo": "locon", "dora_wd": True, "wd_on_output": False},
    "LoHa with DoRA": {"algo": "loha", "dora_wd": True, "wd_on_output": True},
    "LoKr with DoRA": {"algo": "lokr", "factor": 4, "dora_wd": True, "wd_on_output": False},
}

RANK, ALPHA = 2, 1.0
SIZES = {"full": 0.05, "loha": 0.5}  # of random weights, so that every kind changes about as much
PRESET = """
enable_conv = true
unet_target_module = ["Transformer2DModel", "ResnetBlock2D", "Downsample2D", "Upsample2D"]
unet_target_name = ["conv_in", "conv_out"]
text_encoder_target_module = ["CLIPAttention", "CLIPMLP"]
"""


def write_lycoris(name: str, unet: UNet2DConditionModel, encoders: list[nn.Module], path: Path) -> Path:
    """From now on the networks compute with the file's weights, as LyCORIS does it."""
    torch.manual_seed(3)
    preset = path.with_suffix(".toml")
    preset.write_text(PRESET)
    options = {"conv_dim": RANK, "conv_alpha": ALPHA, "preset": str(preset), **ALGORITHMS[name]}
    network = create_network(1.0, RANK, ALPHA, None, encoders, unet, **options)
    network.apply_to(encoders, unet, bool(encoders), True)
    for key, parameter in network.named_parameters():
        if key.endswith("dora_scale"):
            parameter.data *= torch.rand_like(parameter) + 0.5
        else:
            nn.init.normal_(parameter, std=SIZES.get(options["algo"], 0.2))
    network.save_weights(str(path), torch.float32, {})
    return path
