"""OpenVINO GenAI's text-to-image pipeline over what optimum exported, in the precision that it takes."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino_genai as genai
from PIL import Image

from perf.peers.order_noise import noise_of


class GivenNoise(genai.Generator):
    """Gives a tensor where the pipeline asks for random numbers."""

    def __init__(self, noise: Any) -> None:
        super().__init__()
        self._noise = noise

    def next(self) -> float:
        raise NotImplementedError("Euler steps draw no other noise")

    def randn_tensor(self, shape: Any) -> Any:
        if tuple(shape) != self._noise.shape:
            raise ValueError(f"noise of {tuple(shape)} is asked for, not of {self._noise.shape}")
        return openvino.Tensor(np.ascontiguousarray(self._noise))


def load(folder: Path) -> Any:
    adapters = {path.stem: genai.Adapter(path) for path in sorted((folder / "loras").glob("*.safetensors"))}
    config = genai.AdapterConfig()
    for adapter in adapters.values():
        config.add(adapter)
    pipeline = genai.Text2ImagePipeline(folder / "openvino", "CPU", adapters=config)
    pipeline.set_scheduler(
        genai.Scheduler.from_config(
            folder / "openvino" / "scheduler" / "scheduler_config.json", genai.Scheduler.Type.EULER_DISCRETE
        )
    )

    def draw(order: dict[str, Any]) -> Any:
        chosen = genai.AdapterConfig()
        if order["character"]:
            chosen.add(adapters[order["character"]], 1.0)
        pixels = pipeline.generate(
            order["prompt"],
            negative_prompt=order["negative"],
            width=order["width"],
            height=order["height"],
            num_inference_steps=order["steps"],
            guidance_scale=order["guidance"],
            generator=GivenNoise(noise_of(order)),
            adapters=chosen,
        )
        return Image.fromarray(pixels.data[0])

    return draw
