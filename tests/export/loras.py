"""Small random LoRA files for the tiny checkpoint's UNet, made by PEFT and written in each style of keys."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig, inject_adapter_in_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

RANK, ALPHA = 4, 6
TARGETS = [
    "to_q",
    "to_k",
    "to_v",
    "to_out.0",
    "proj_in",
    "proj_out",
    "ff.net.0.proj",
    "ff.net.2",
    "conv1",
    "conv2",
]
TARGETS += ["time_emb_proj", "conv_shortcut", "conv", "conv_in", "linear_1"]


def with_lora(unet: UNet2DConditionModel, seed: int, size: float = 0.2) -> UNet2DConditionModel:
    """The same network, changed in place by an adapter with random weights."""
    torch.manual_seed(seed)
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS, init_lora_weights=False)
    adapted = inject_adapter_in_model(config, unet)
    for name, weight in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=size)
    return unet.eval()


def peft_state(unet: UNet2DConditionModel) -> dict[str, torch.Tensor]:
    """down_blocks….to_q.lora_A.weight → tensor."""
    return {key: value.detach().contiguous() for key, value in get_peft_model_state_dict(unet).items()}


def save_diffusers(state: Mapping[str, torch.Tensor], path: Path) -> Path:
    settings = {"unet.r": RANK, "unet.lora_alpha": ALPHA}
    tensors = {f"unet.{key}": value for key, value in state.items()}
    save_file(tensors, path, metadata={"format": "pt", "lora_adapter_metadata": json.dumps(settings)})
    return path


def save_kohya(state: Mapping[str, torch.Tensor], path: Path) -> Path:
    tensors = {}
    for key, value in state.items():
        module, side = key.removesuffix(".weight").rsplit(".", 1)
        name = f"lora_unet_{module.replace('.', '_')}"
        tensors[f"{name}.{'lora_down' if side == 'lora_A' else 'lora_up'}.weight"] = value
        tensors[f"{name}.alpha"] = torch.tensor(float(ALPHA))
    save_file(tensors, path)
    return path
