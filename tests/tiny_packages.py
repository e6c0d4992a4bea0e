"""A tiny compiled network and a character of it as a Triton repository; for the environment with torch.

python tests/tiny_packages.py FOLDER; beside the models it writes what torch makes of some inputs.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from contract.parts import ModelPart, TensorSpec
from export.engines.inductor import add_package
from export.engines.package import add_character_package
from export.engines.recipe import EngineOptions
from export.graphs.storage import save_model
from export.graphs.weight_names import name_weights
from export.networks.networks import Network
from export.networks.trace import trace, weights_of
from export.repository.triton_config import config_of

PART = ModelPart(
    name="mixer",
    inputs=(TensorSpec("latents", "FP32", (4, "height", "width")), TensorSpec("sigma", "FP32", (1,))),
    outputs=(TensorSpec("next_latents", "FP32", (4, "height", "width")), TensorSpec("total", "FP32", (1,))),
    queue_delay_us=2000,
)
SIZES = ((1, 8, 16), (3, 8, 16), (2, 24, 8))
"""Batch, height and width of the inputs."""


class Mixer(nn.Module):
    """Something of each sample's own, so that mixed-up samples are seen."""

    def __init__(self) -> None:
        super().__init__()
        self.config = PretrainedConfig()  # optimum reads it
        torch.manual_seed(0)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.scale = nn.Linear(1, 4)

    def forward(self, latents: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        mixed = self.conv(latents) * self.scale(sigma)[:, :, None, None]
        return latents + mixed, mixed.sum(dim=(1, 2, 3))[:, None]


def write_graph(module: nn.Module, folder: Path) -> None:
    model = trace(module, PART)
    save_model(model, folder / "1", name_weights(model, weights_of(module), set()))


def write_answers(module: nn.Module, path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    arrays: dict[str, np.ndarray] = {}
    for number, (batch, height, width) in enumerate(SIZES):
        latents = torch.randn((batch, 4, height, width), generator=generator)
        sigma = torch.rand((batch, 1), generator=generator)
        with torch.no_grad():
            made, total = module(latents, sigma)
        named = {"latents": latents, "sigma": sigma, "next_latents": made, "total": total}
        arrays |= {f"{name}-{number}": value.numpy() for name, value in named.items()}
    np.savez(path, **arrays)  # type: ignore[arg-type]


def main(folder: Path) -> None:
    module = Mixer().eval()
    base, character = folder / "compiled-mixer", folder / "compiled-mixer--aya"
    for model in (base, character):
        (model / "1").mkdir(parents=True)
        (model / "config.pbtxt").write_text(config_of(model.name, PART))
    write_graph(module, base)
    write_answers(module, folder / "base.npz")
    add_package(base, Network(PART, module, (), all_used=True), EngineOptions(batch=4), 8)
    with torch.no_grad():
        module.conv.weight.mul_(-2)
        module.scale.weight.add_(1)
    write_graph(module, character)
    write_answers(module, folder / "aya.npz")
    add_character_package(character, base, ["conv", "scale"])
    config = (base / "config.pbtxt").read_text().replace(base.name, character.name)
    (character / "config.pbtxt").write_text(config)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
