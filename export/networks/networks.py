"""What is traced of a checkpoint: its networks, and what each declares of itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from contract.bank import ADAPTERS, with_bank
from contract.names import CHARACTER_PARTS, DECODER, DENOISER
from contract.parts import ModelPart
from export.checkpoints.checkpoint import Checkpoint
from export.networks.bank import TorchBank
from export.networks.decoder import Decoder
from export.networks.denoiser import Denoiser
from export.networks.part_module import PartModule
from export.networks.precision import cast
from export.networks.text_encoder import TextEncoders


@dataclass(frozen=True)
class Network:
    part: ModelPart
    module: nn.Module
    sources: tuple[str, ...]  # files of the checkpoint that say how the network is built
    all_used: bool  # whether the graph must hold every weight of the module


def networks_of(checkpoint: Checkpoint, bank_rank: int = 0) -> Iterator[Network]:
    """Each is made when it is asked for. `bank_rank`: of a bank's LoRAs; 0: without a bank."""
    family = checkpoint.family
    parts = {
        name: with_bank(part, ADAPTERS) if bank_rank and name in CHARACTER_PARTS else part
        for name, part in checkpoint.parts.items()
    }
    for name in family.row.text_parts:
        encoders = {one: each for one, each in checkpoint.text_encoders.items() if one.part == name}
        yield Network(
            parts[name],
            _banked(TextEncoders(parts[name], encoders), bank_rank if name in CHARACTER_PARTS else 0),
            sources=tuple(f"{encoder.name}/config.json" for encoder in encoders),
            all_used=False,  # nothing reads the last layer of an encoder whose last but one is taken
        )
    yield Network(
        parts[DENOISER],
        _banked(Denoiser(parts[DENOISER], checkpoint.denoiser, checkpoint.diffusion, family), bank_rank),
        sources=(f"{family.row.denoiser}/config.json", "scheduler/scheduler_config.json"),
        all_used=True,  # the merge of LoRAs counts on it
    )
    yield Network(
        parts[DECODER],
        Decoder(checkpoint.vae),
        sources=("vae/config.json",),
        all_used=True,
    )


def _banked(module: PartModule, rank: int) -> PartModule:
    if rank:
        module.bank = TorchBank(module, rank, slots=1)
    return module


def network_of(checkpoint: Checkpoint, part: str) -> Network:
    """One of them, in fp32: torch's reference for what was exported. Casts the checkpoint's own weights."""
    network = next(one for one in networks_of(checkpoint) if one.part.name == part)
    cast(network.module, "fp32")
    return network
