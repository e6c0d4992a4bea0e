"""stable-diffusion.cpp by its Python bindings. It makes its own noise from the seed; weights stay fp16."""

from pathlib import Path
from typing import Any

from stable_diffusion_cpp import StableDiffusion


def load(folder: Path) -> Any:
    model = StableDiffusion(
        model_path=str(folder / "checkpoint"),
        lora_model_dir=str(folder / "loras"),
        diffusion_flash_attn=True,
        verbose=False,
    )

    def draw(order: dict[str, Any]) -> Any:
        lora = f" <lora:{order['character']}:1>" if order["character"] else ""
        return model.generate_image(
            prompt=order["prompt"] + lora,
            negative_prompt=order["negative"],
            width=order["width"],
            height=order["height"],
            sample_steps=order["steps"],
            cfg_scale=order["guidance"],
            sample_method="euler",
            scheduler="discrete",
            seed=order["seed"],
        )[0]

    return draw
