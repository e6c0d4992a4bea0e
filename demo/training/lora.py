"""Character LoRAs over the frozen base, written as kohya's files are laid out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import save_file

from demo.training import checkpoint, flow
from demo.training.batches import Batch, batch
from demo.training.config import Config
from demo.training.diffusion import Report
from demo.training.latents import Latents
from demo.training.pipeline import Pipeline
from demo.training.precision import mixed
from demo.training.rounding import rounded

RANK = 8
RATE = 2e-3
TARGETS = [
    *("proj_in", "proj_out", "to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"),
    *("conv1", "conv2"),
]
"""Linear layers of the UNet's attention blocks, and the convolutions of its residual blocks: a figure's marks
are finer than the cells that attend."""
HALF_PICTURES, FULL_PICTURES = 500, 400
FULL_SHARE = (0.7, 0.7)
ROUNDING = 4
"""Steps to a standard deviation; see rounding.py."""
OTHERS = 5
"""Every so many steps keep what the base model makes of other prompts: without them, the adapter draws its
figure for the negative prompt too, and guidance then takes it out of the picture again."""


@dataclass
class LoraRun:
    pipeline: Pipeline
    """Its UNet holds the averaged base weights, which stay frozen; the adapter is added to them."""
    config: Config
    latents: Latents
    """Of the character's pictures."""
    others: Latents
    """Of the pictures that the base model learnt from."""
    path: Path
    """Of the checkpoint."""
    step: int = 0
    optimiser: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        self.pipeline.trained().requires_grad_(False)
        torch.manual_seed(0)
        self.pipeline.unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=TARGETS))
        parameters = [value for value in self.pipeline.unet.parameters() if value.requires_grad]
        self.optimiser = torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.99), weight_decay=0.0)
        state = checkpoint.read(self.path)
        if state is not None:
            set_peft_model_state_dict(self.pipeline.unet, state["adapter"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]

    def save(self) -> None:
        state = {
            "adapter": get_peft_model_state_dict(self.pipeline.unet),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        checkpoint.write(state, self.path)


def train(run: LoraRun, steps: int) -> Iterator[Report]:
    """Runs to step number `steps`; the caller saves between two steps."""
    few = replace(run.config, half_pictures=HALF_PICTURES, full_pictures=FULL_PICTURES, full_share=FULL_SHARE)
    while run.step < steps:
        begin = time.monotonic()
        for group in run.optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (run.step + 1) / 20, 2.5 * (steps - run.step) / steps)
        if run.step % OTHERS == 0:
            drawn = batch(run.others, few, run.step)
            value = _change(run.pipeline, drawn, run.latents.codec.weights)
        else:
            drawn = batch(run.latents, few, run.step, told=True)
            value = flow.loss(run.pipeline, drawn, run.latents.codec.weights)
        run.optimiser.zero_grad(set_to_none=True)
        value.backward()
        run.optimiser.step()
        run.step += 1
        yield Report(run.step, value.item(), len(drawn.captions), time.monotonic() - begin)


def _change(pipeline: Pipeline, drawn: Batch, weights: torch.Tensor) -> torch.Tensor:
    """How far the adapter takes the velocity from the base model's."""
    seen, text = flow.disturbed(drawn), flow.encode_text(pipeline, drawn.captions)
    with mixed():
        pipeline.unet.disable_adapters()
        with torch.no_grad():
            wanted = flow.velocity(pipeline, seen.noisy, seen.sigma, text, drawn.size)
        pipeline.unet.enable_adapters()
        found = flow.velocity(pipeline, seen.noisy, seen.sigma, text, drawn.size)
    return flow.error(found, wanted, weights)


def save(unet: UNet2DConditionModel, path: Path) -> None:
    """`lora_unet_<module>.lora_down.weight`, `.lora_up.weight` and `.alpha`, in half precision
    and rounded. A convolution's are [rank, in, high, wide] and [out, rank, 1, 1]."""
    tensors: dict[str, torch.Tensor] = {}
    for name, value in get_peft_model_state_dict(unet).items():
        module, side = name.removesuffix(".weight").rsplit(".lora_", 1)
        key = "lora_unet_" + module.replace(".", "_")
        part = f"{key}.lora_{'down' if side == 'A' else 'up'}.weight"
        tensors[part] = rounded(value, ROUNDING).to(torch.float16).contiguous()
        tensors[f"{key}.alpha"] = torch.tensor(float(RANK), dtype=torch.float16)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    metadata = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(RANK),
        "ss_network_alpha": str(RANK),
    }
    save_file(tensors, beside, metadata=metadata)
    beside.replace(path)
