"""Checkpoints and LoRA files of published sizes with seeded random weights: no real one can be shipped.

In the environment of the exporter: python -m perf.full_size FOLDER [--family sdxl|sd15] [--rank 32] [...]
writes FOLDER/checkpoint (diffusers' layout, fp16) and FOLDER/lora.safetensors (kohya's keys).
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from safetensors.torch import save_file

from contract.families import SDXL
from export.checkpoints.clip_tokenizer import write_clip_tokenizer
from export.checkpoints.scheduler import scheduler_config
from export.families import sd15, sdxl
from export.families.family import SingleFile, TorchFamily
from export.lora.stability_names import sgm_names

FAMILIES = {"sdxl": sdxl.FAMILY, "sd15": sd15.FAMILY}
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2")
CONVOLUTIONS = (
    "conv1",
    "conv2",
    "conv_shortcut",
    "time_emb_proj",
    "downsamplers.0.conv",
    "upsamplers.0.conv",
)
TEXT = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
LORA_SIZE = 0.02  # standard deviation of both factors; small beside the weights, as a trained one is
SHARD_BYTES = 2_000_000_000
# A family's own layers at sizes of no use: as many blocks, so that every name stays.
TINY: Mapping[str, Mapping[str, Any]] = {
    "text_encoder": {
        "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2,
    },
    "text_encoder_2": {
        "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2, "num_hidden_layers": 2,
        "projection_dim": 32,
    },
    "unet": {
        "block_out_channels": [32, 64, 64, 64], "attention_head_dim": [2, 4, 4, 4], "layers_per_block": 1,
        "transformer_layers_per_block": 1, "norm_num_groups": 8, "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 32,
    },
    "vae": {"block_out_channels": [4, 8, 8, 8], "norm_num_groups": 4, "layers_per_block": 1},
}  # fmt: skip


def shrink(family: TorchFamily) -> TorchFamily:
    """The same family at TINY's sizes; settings that a family does not have stay away."""
    published = _published(family)
    configs = {name: {**config, **_small(name, config)} for name, config in published.configs.items()}
    width = sum(config["hidden_size"] for name, config in configs.items() if name.startswith("text_encoder"))
    configs["unet"]["cross_attention_dim"] = width
    return replace(family, single_file=replace(published, configs=configs))


def _small(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    small = {key: value for key, value in TINY[name].items() if key in config or key == "norm_num_groups"}
    blocks = len(config.get("block_out_channels", ()))
    return {key: value[:blocks] if isinstance(value, list) else value for key, value in small.items()}


def write_checkpoint(family: TorchFamily, folder: Path, seed: int = 0) -> Path:
    """Weights as layers are initialised: normal, with the deviation that keeps a signal's size."""
    generator = torch.Generator().manual_seed(seed)
    for name, config in track(_published(family).configs.items(), f"{family.row.title} checkpoint"):
        network = family.empty_network(name, config)
        state = {key: _weight(key, value, generator) for key, value in network.state_dict().items()}
        _save(network, family.weights_file(name), state, folder / name)
    for encoder in family.row.text_encoders:
        write_clip_tokenizer(folder / encoder.tokenizer, encoder.pad)
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(
        json.dumps(scheduler_config(family.row.diffusion))
    )
    index = {name: [family.library(name), kind.__name__] for name, kind in family.networks.items()}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": family.row.pipeline, **index}))
    return folder


def _published(family: TorchFamily) -> SingleFile:
    assert family.single_file
    return family.single_file


def _weight(key: str, value: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    if not value.is_floating_point():
        return torch.arange(value.numel()).reshape(value.shape)  # position ids
    if value.ndim < 2:
        return torch.full(value.shape, float(key.endswith("weight"))).half()  # norms 1, biases 0
    size = (value.numel() / value.shape[0]) ** -0.5
    return (torch.randn(value.shape, generator=generator) * size).half()


def _save(network: Any, file_name: str, state: Mapping[str, torch.Tensor], folder: Path) -> None:
    folder.mkdir(parents=True)
    config = network.config.to_dict() if hasattr(network.config, "to_dict") else dict(network.config)
    (folder / "config.json").write_text(json.dumps(config, default=str))
    stem = file_name.removesuffix(".safetensors")
    shards: list[dict[str, torch.Tensor]] = [{}]
    for key, value in state.items():
        if sum(tensor.nbytes for tensor in shards[-1].values()) > SHARD_BYTES:
            shards.append({})
        shards[-1][key] = value
    if len(shards) == 1:
        save_file(shards[0], folder / f"{stem}.safetensors", {"format": "pt"})
        return
    places: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        file = f"{stem}-{number:05}-of-{len(shards):05}.safetensors"
        save_file(shard, folder / file, {"format": "pt"})
        places |= dict.fromkeys(shard, file)
    total = sum(tensor.nbytes for tensor in state.values())
    content = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / f"{stem}.safetensors.index.json").write_text(json.dumps(content))


def write_lora(
    family: TorchFamily,
    path: Path,
    rank: int,
    *,
    layers: Sequence[str] = ATTENTION,
    conv: bool = False,
    text: bool = False,
    seed: int = 1,
) -> Path:
    """kohya's layout: for SDXL with Stability's names of the UNet's layers, as its trainer writes them."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for name, shape in _layers(family, (*layers, *(CONVOLUTIONS if conv else ())), text=text):
        out, *inner = shape
        down = torch.randn((rank, *inner), generator=generator) * LORA_SIZE
        up = torch.randn((out, rank, *(1 for _ in inner[1:])), generator=generator) * LORA_SIZE
        tensors |= {f"{name}.lora_down.weight": down.half(), f"{name}.lora_up.weight": up.half()}
        tensors[f"{name}.alpha"] = torch.tensor(rank / 2).half()
    save_file(tensors, path)
    return path


def _layers(
    family: TorchFamily, wanted: Sequence[str], *, text: bool
) -> Iterator[tuple[str, tuple[int, ...]]]:
    configs = _published(family).configs
    unet = family.empty_network("unet", configs["unet"])
    shapes = {name.removesuffix(".weight"): tuple(value.shape) for name, value in unet.state_dict().items()}
    theirs = sgm_names(shapes) if family.row is SDXL else {}
    for name, shape in shapes.items():
        if len(shape) > 1 and name.endswith(tuple(f".{end}" for end in wanted)):
            yield f"lora_unet_{theirs.get(name, name).replace('.', '_')}", shape
    encoders = [name for name in configs if name.startswith("text_encoder")] if text else []
    for number, encoder in enumerate(encoders, 1):
        prefix = f"lora_te{number}_" if family.row is SDXL else "lora_te_"
        for name, value in family.empty_network(encoder, configs[encoder]).state_dict().items():
            module = name.removesuffix(".weight")
            if value.ndim == 2 and module.endswith(TEXT):
                yield f"{prefix}{module.replace('.', '_')}", tuple(value.shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--family", choices=FAMILIES, default="sdxl")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--conv", action="store_true", help="a LoRA over convolutions too")
    parser.add_argument("--text", action="store_true", help="a LoRA over the text encoders too")
    parser.add_argument("--lora-only", action="store_true")
    parser.add_argument("--tiny", action="store_true", help="the family's layers at sizes of no use")
    given = parser.parse_args()
    family = shrink(FAMILIES[given.family]) if given.tiny else FAMILIES[given.family]
    given.folder.mkdir(parents=True, exist_ok=True)
    if not given.lora_only:
        write_checkpoint(family, given.folder / "checkpoint")
    write_lora(family, given.folder / "lora.safetensors", given.rank, conv=given.conv, text=given.text)


if __name__ == "__main__":
    main()
