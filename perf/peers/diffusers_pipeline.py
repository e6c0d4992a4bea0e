"""diffusers as its documentation shows it. OPTION: fp32, or bf16 (with channels_last)."""

from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline

from perf.peers.order_noise import noise_of


def load(folder: Path, precision: str) -> Any:
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    pipeline = DiffusionPipeline.from_pretrained(folder / "checkpoint", torch_dtype=dtype)
    pipeline.set_progress_bar_config(disable=True)
    if precision == "bf16":
        pipeline.unet.to(memory_format=torch.channels_last)
        pipeline.vae.to(memory_format=torch.channels_last)
    loaded: set[str] = set()

    def draw(order: dict[str, Any]) -> Any:
        if character := order["character"]:
            if character not in loaded:
                pipeline.load_lora_weights(
                    folder / "loras", weight_name=f"{character}.safetensors", adapter_name=character
                )
                loaded.add(character)
            pipeline.set_adapters([character])
        elif loaded:
            pipeline.disable_lora()
        return pipeline(
            prompt=order["prompt"],
            negative_prompt=order["negative"],
            width=order["width"],
            height=order["height"],
            num_inference_steps=order["steps"],
            guidance_scale=order["guidance"],
            latents=torch.from_numpy(noise_of(order)).to(dtype),
        ).images[0]

    return draw
