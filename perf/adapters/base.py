"""SDXL's text encoders and denoiser with a bank, as far as a new character reads them: graphs, whose weights
are holes in a file. And LoRAs for them, without and with convolutions.

In the environment of the exporter: python -m perf.adapters.base FOLDER [--tiny]
writes FOLDER/repository (model `eros`), FOLDER/lora.safetensors and FOLDER/locon.safetensors.
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import helper
from torch import nn

from contract.bank import ADAPTERS, BANK_FILE, BankSize, with_bank
from contract.description import Description
from contract.families import Sizes
from contract.names import DENOISER, TEXT_ENCODER, network_name
from contract.parts import ModelPart
from contract.repositories import CONFIG_FILE, DESCRIPTION_FILE
from export.families.family import TorchFamily
from export.families.sdxl import FAMILY
from export.graphs.bank import take_bank
from export.graphs.storage import MODEL_FILE, PAGE, SMALL, WEIGHTS_FILE, write_hashes
from export.graphs.weight_names import name_weights
from export.networks.bank import TorchBank
from export.networks.denoiser import Denoiser
from export.networks.part_module import PartModule
from export.networks.text_encoder import TextEncoders
from export.networks.trace import trace, weights_of
from export.repository.triton_config import config_of
from perf.full_size import shrink, write_lora

DIGEST = "0" * 64  # of what has no weights


def without_memory(network: Any) -> Any:
    """The same network of the device `meta`, with zeros of which each tensor holds one."""
    for module in network.modules():
        for name, one in list(module.named_parameters(recurse=False)):
            module.register_parameter(
                name, nn.Parameter(torch.zeros(1).expand(one.shape), requires_grad=False)
            )
        for name, one in list(module.named_buffers(recurse=False)):
            values = torch.arange(one.numel()) if not one.is_floating_point() else torch.zeros(one.numel())
            module.register_buffer(name, values.reshape(one.shape), persistent=name in module.state_dict())
    return network.eval()


def write(name: str, part: ModelPart, module: PartModule, size: BankSize, folder: Path) -> None:
    module.bank = TorchBank(module, size.rank, slots=1)
    model = trace(module, part)
    bank = take_bank(model, size)
    name_weights(model, weights_of(module), set())
    target = folder / name
    write_graph(model, target / "1")
    (target / CONFIG_FILE).write_text(config_of(name, part))
    (target / BANK_FILE).write_bytes(bank.to_json())
    write_hashes(target, DIGEST)


def write_graph(model: onnx.ModelProto, folder: Path) -> None:
    """Its weights, which have a type and a shape only, become holes in a file."""
    folder.mkdir(parents=True)
    place = 0
    for tensor in model.graph.initializer:
        length = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize * int(
            torch.Size(tensor.dims).numel()
        )
        if length <= SMALL:
            tensor.raw_data = bytes(length)
            continue
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in {"location": WEIGHTS_FILE, "offset": place, "length": length}.items():
            tensor.external_data.add(key=key, value=str(value))
        place += -(-length // PAGE) * PAGE
    (folder / MODEL_FILE).write_bytes(model.SerializeToString())
    (folder / WEIGHTS_FILE).touch()
    os.truncate(folder / WEIGHTS_FILE, place)


def write_base(family: TorchFamily, size: BankSize, folder: Path) -> None:
    assert family.single_file
    configs: Mapping[str, Any] = family.single_file.configs
    row = family.row
    encoders = {
        one: without_memory(family.empty_network(one.name, configs[one.name])) for one in row.text_encoders
    }
    sizes = Sizes(
        width=sum(int(configs[one.name]["hidden_size"]) for one in encoders),
        pooled=sum(int(configs[one.name]["projection_dim"]) for one in encoders if one.pooled),
        window=77,
        channels=row.latent_channels,
    )
    parts = {name: with_bank(part, ADAPTERS) for name, part in row.parts(sizes).items()}
    encoder = TextEncoders(parts[TEXT_ENCODER], encoders)
    write(network_name("eros", TEXT_ENCODER), parts[TEXT_ENCODER], encoder, size, folder)
    unet = without_memory(family.empty_network("unet", configs["unet"]))
    denoiser = Denoiser(parts[DENOISER], unet, row.diffusion, family)
    write(network_name("eros", DENOISER), parts[DENOISER], denoiser, size, folder)
    description = Description(
        family=row,
        diffusion=row.diffusion,
        latent_channels=row.latent_channels,
        downscale=row.downscale,
        pad_tokens=(0,) * len(row.text_encoders),
        token_window=sizes.window,
    )
    (folder / network_name("eros", DENOISER) / DESCRIPTION_FILE).write_bytes(description.to_json())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiny", action="store_true", help="the family's layers at sizes of no use")
    parser.add_argument("--bank", type=BankSize.of_text, default=BankSize(16, 16))
    given = parser.parse_args()
    family = shrink(FAMILY) if given.tiny else FAMILY
    write_base(family, given.bank, given.folder / "repository")
    for name, conv in (("lora", False), ("locon", True)):
        write_lora(family, given.folder / f"{name}.safetensors", given.bank.rank, conv=conv, text=True)


if __name__ == "__main__":
    main()
