"""A denoiser of SDXL's published shapes with seeded random fp16 weights, as exports store it, and two LoRAs.

In the environment of the exporter: python -m perf.merge.base FOLDER [--rank 16] [--tiny]
writes FOLDER/repository (model `eros`), FOLDER/layers.safetensors (all linear layers of its transformers, as
kohya's trainer has it) and FOLDER/attention.safetensors (to_q, to_k, to_v, to_out alone, as diffusers').
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto
from onnx.external_data_helper import uses_external_data

from contract.description import Description
from contract.families import Sizes
from contract.names import DENOISER, network_name
from contract.repositories import CONFIG_FILE, DESCRIPTION_FILE
from export.families.family import TorchFamily
from export.families.sdxl import FAMILY
from export.graphs.rewrite import place_of
from export.graphs.storage import MODEL_FILE, WEIGHTS_FILE, store_fp16, write_hashes
from export.graphs.weight_names import name_weights
from export.networks.denoiser import Denoiser
from export.networks.trace import trace, weights_of
from export.repository.triton_config import config_of
from perf.adapters.base import without_memory, write_graph
from perf.full_size import ATTENTION, shrink, write_lora

BLOCK = (1 << 24) + 1  # values that are repeated; odd, so that no two layers begin alike
SIZE = 0.02  # standard deviation, about that of SDXL's weights


def fill(folder: Path) -> None:
    """Normal values in each weight of the file; between them it stays as it is."""
    model = onnx.load(folder / MODEL_FILE, load_external_data=False)
    values = (np.random.default_rng(0).standard_normal(BLOCK, np.float32) * SIZE).astype(np.float16)
    block = values.view(np.uint8).data
    with (folder / WEIGHTS_FILE).open("r+b") as file:
        for tensor in model.graph.initializer:
            if tensor.data_type != TensorProto.FLOAT16 or not uses_external_data(tensor):
                continue  # vectors stay zeros
            start, length = place_of(tensor)
            file.seek(start)
            while length:
                at = file.tell() % len(block) & ~1
                length -= file.write(block[at : at + length])


def write_base(family: TorchFamily, folder: Path) -> None:
    assert family.single_file
    row, configs = family.row, family.single_file.configs
    encoders = [configs[one.name] for one in row.text_encoders]
    sizes = Sizes(
        width=sum(int(config["hidden_size"]) for config in encoders),
        pooled=int(encoders[-1]["projection_dim"]),
        window=77,
        channels=row.latent_channels,
    )
    part = row.parts(sizes)[DENOISER]
    unet = without_memory(family.empty_network("unet", configs["unet"]))
    module = Denoiser(part, unet, row.diffusion, family)
    model = trace(module, part)
    store_fp16(model, name_weights(model, weights_of(module), set()))
    target = folder / network_name("eros", DENOISER)
    write_graph(model, target / "1")
    fill(target / "1")
    (target / CONFIG_FILE).write_text(config_of(target.name, part))
    description = Description(
        family=row,
        diffusion=row.diffusion,
        latent_channels=row.latent_channels,
        downscale=row.downscale,
        pad_tokens=(0,) * len(encoders),
        token_window=sizes.window,
    )
    (target / DESCRIPTION_FILE).write_bytes(description.to_json())
    write_hashes(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--tiny", action="store_true", help="the family's layers at sizes of no use")
    given = parser.parse_args()
    family = shrink(FAMILY) if given.tiny else FAMILY
    write_base(family, given.folder / "repository")
    for name, layers in (("layers", ATTENTION), ("attention", ATTENTION[:4])):
        write_lora(family, given.folder / f"{name}.safetensors", given.rank, layers=layers)


if __name__ == "__main__":
    main()
