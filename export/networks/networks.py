"""What is traced of a checkpoint: three networks, and what each declares of itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from export.checkpoints.checkpoint import Checkpoint
from export.networks import parts
from export.networks.decoder import Decoder
from export.networks.denoiser import Denoiser
from export.networks.precision import cast
from export.networks.text_encoder import SingleTextEncoder, TextEncoder


@dataclass(frozen=True)
class Network:
    part: parts.Part
    module: nn.Module
    sources: tuple[str, ...]  # files of the checkpoint that say how the network is built
    all_used: bool  # whether the graph must hold every weight of the module


def networks_of(checkpoint: Checkpoint) -> Iterator[Network]:
    """Each is made when it is asked for."""
    width, pooled, channels = checkpoint.width, checkpoint.pooled, checkpoint.channels
    yield Network(
        parts.text_encoder(width=width, pooled=pooled, window=checkpoint.window),
        _text_encoder(checkpoint),
        sources=tuple(
            f"{name.replace('tokenizer', 'text_encoder')}/config.json" for name in checkpoint.tokenizers
        ),
        all_used=False,  # nothing reads the last layer of SDXL's first encoder
    )
    yield Network(
        parts.denoiser(channels=channels, width=width, pooled=pooled),
        Denoiser(checkpoint.unet, checkpoint.schedule),
        sources=("unet/config.json", "scheduler/scheduler_config.json"),
        all_used=True,  # the LoRA merge counts on it
    )
    yield Network(
        parts.decoder(channels=channels),
        Decoder(checkpoint.vae),
        sources=("vae/config.json",),
        all_used=True,
    )


def network_of(checkpoint: Checkpoint, part: str) -> Network:
    """One of them, in fp32: torch's reference for what was exported. Casts the checkpoint's own weights."""
    network = next(one for one in networks_of(checkpoint) if one.part.name == part)
    cast(network.module, "fp32")
    return network


def _text_encoder(checkpoint: Checkpoint) -> nn.Module:
    if checkpoint.text_encoder_2 is None:
        return SingleTextEncoder(checkpoint.text_encoder)
    return TextEncoder(checkpoint.text_encoder, checkpoint.text_encoder_2)
