"""Single steps of perf.bench_export, each a process of its own in the exporter's environment.

python -m perf.export_steps export|text|fuse|usual|compare|plan FOLDER: FOLDER is as perf.full_size writes it.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders import StableDiffusionLoraLoaderMixin, StableDiffusionXLLoraLoaderMixin
from optimum.exporters.onnx.convert import export_pytorch
from safetensors.torch import load_file

from contract.description import Description
from contract.families import TIME_IDS, Sizes
from contract.names import DENOISER
from contract.parts import ModelPart
from contract.repositories import CONFIG_FILE, DESCRIPTION_FILE
from export.checkpoints.checkpoint import family_of, open_checkpoint
from export.checkpoints.scheduler import read_diffusion
from export.engines.plan import TIMING_CACHE, add_plan
from export.engines.recipe import EngineOptions, Recipe
from export.graphs.storage import MODEL_FILE, save_model, write_hashes
from export.graphs.weight_names import name_weights
from export.networks.denoiser import Denoiser
from export.networks.networks import networks_of
from export.networks.trace import (
    EXAMPLE_SIZES,
    OPSET,
    PartConfig,
    declare_outputs,
    example_inputs,
    trace,
    weights_of,
)
from export.repository.triton_config import config_of

CHARACTERS = ("eros-denoiser--aya", "usual-denoiser", "fused-denoiser")  # merged, and made in two usual ways


def load(folder: Path) -> UNet2DConditionModel:
    network = UNet2DConditionModel.from_pretrained(
        folder / "checkpoint" / "unet", torch_dtype=torch.float16, use_safetensors=True
    )
    network.eval().requires_grad_(False)
    return network


def description_of(unet: UNet2DConditionModel, checkpoint: Path) -> Description:
    row = family_of(checkpoint).row
    return Description(
        family=row,
        diffusion=read_diffusion(checkpoint / "scheduler" / "scheduler_config.json"),
        latent_channels=unet.config.in_channels,
        downscale=row.downscale,
        pad_tokens=(0,) * len(row.text_encoders),
        token_window=77,
    )


def denoiser_of(unet: UNet2DConditionModel, checkpoint: Path) -> tuple[Denoiser, ModelPart]:
    config, family = unet.config, family_of(checkpoint)
    times = TIME_IDS * (config.addition_time_embed_dim or 0)
    pooled = (config.projection_class_embeddings_input_dim or 0) - times
    sizes = Sizes(width=config.cross_attention_dim, pooled=pooled, window=77, channels=config.in_channels)
    part = family.row.parts(sizes)[DENOISER]
    return Denoiser(part, unet, description_of(unet, checkpoint).diffusion, family), part


def export(unet: UNet2DConditionModel, folder: Path, name: str) -> None:
    """The denoiser as `imgen export --precision fp16` writes it."""
    target = folder / "repository" / name
    network, part = denoiser_of(unet, folder / "checkpoint")
    model = trace(network, part)
    declare_outputs(model, part)
    required = {name for name, _ in network.named_parameters()}
    save_model(model, target / "1", name_weights(model, weights_of(network), required))
    (target / CONFIG_FILE).write_text(config_of(name, part))
    (target / DESCRIPTION_FILE).write_bytes(description_of(unet, folder / "checkpoint").to_json())
    write_hashes(target)


def export_text(folder: Path) -> None:
    """The text encoder in fp16, which a LoRA may change too."""
    checkpoint = open_checkpoint(folder / "checkpoint", as_stored=True)
    encoder = next(iter(networks_of(checkpoint)))
    model = trace(encoder.module, encoder.part)
    declare_outputs(model, encoder.part)
    target = folder / "repository" / "eros-text-encoder"
    save_model(model, target / "1", name_weights(model, weights_of(encoder.module), set()))
    (target / "config.pbtxt").write_text(config_of(target.name, encoder.part))


def fuse(folder: Path) -> UNet2DConditionModel:
    """The usual way to a character: diffusers loads the LoRA and fuses it into the weights."""
    unet = load(folder)
    sdxl = unet.config.addition_embed_type == "text_time"
    loader: Any = StableDiffusionXLLoraLoaderMixin if sdxl else StableDiffusionLoraLoaderMixin
    state, alphas = loader.lora_state_dict(load_file(folder / "lora.safetensors"), unet_config=unet.config)
    loader.load_lora_into_unet(state, alphas, unet)
    unet.fuse_lora()
    unet.unload_lora()
    return unet


def usual(unet: UNet2DConditionModel, folder: Path) -> None:
    """The same denoiser as optimum exports it, with nothing of ours around."""
    target = folder / "repository" / "usual-denoiser" / "1"
    target.mkdir(parents=True)
    network, part = denoiser_of(unet, folder / "checkpoint")
    export_pytorch(network, PartConfig(part), opset=OPSET, output=target / MODEL_FILE)


def compare(folder: Path) -> float:
    """How far characters that were made in different ways are apart after one step: of the largest value."""
    _, part = denoiser_of(load(folder), folder / "checkpoint")
    examples = example_inputs(part, EXAMPLE_SIZES)
    inputs = {name: value.numpy() for name, value in examples.items()}
    ours, *others = (_step(folder / "repository" / name, inputs) for name in CHARACTERS)
    base = _step(folder / "repository" / "eros-denoiser", inputs)
    if np.array_equal(ours, base):
        sys.exit("the merged character draws as the base does")
    return float(max(np.abs(ours - other).max() for other in others) / np.abs(ours).max())


def _step(model: Path, inputs: dict[str, Any]) -> Any:
    session = onnxruntime.InferenceSession(model / "1" / MODEL_FILE, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, inputs)[0], np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("export", "text", "fuse", "usual", "compare", "plan"))
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    started = time.monotonic()
    seconds: dict[str, float] = {}
    if given.step == "export":
        export(load(given.folder), given.folder, "eros-denoiser")
    elif given.step == "text":
        export_text(given.folder)
    elif given.step == "usual":
        usual(fuse(given.folder), given.folder)
    elif given.step == "fuse":
        unet = fuse(given.folder)
        seconds["fuse"] = time.monotonic() - started
        export(unet, given.folder, "fused-denoiser")
    elif given.step == "compare":
        seconds["apart"] = compare(given.folder)
    else:
        unet = load(given.folder)
        _, part = denoiser_of(unet, given.folder / "checkpoint")
        del unet
        recipe = Recipe.of(part, EngineOptions(sizes=[(1024, 1024)], batch=1), downscale=8)
        add_plan(given.folder / "repository" / "eros-denoiser", recipe, given.folder / TIMING_CACHE)
    seconds["all"] = time.monotonic() - started
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
