"""SDXL's published UNet in blocks, each kind once, plain and with a bank, as `imgen export` writes graphs.

In the environment of the exporter: python -m perf.adapters.blocks FOLDER [--tiny] [--size 1024x1024]

The whole UNet has 2.6 billion weights: with a bank and without one side by side, they do not fit the machine
that this is run on. Its blocks are of few kinds. What is in no block has no weights that a bank is beside.
"""

import argparse
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from contract.bank import ADAPTERS, BANK_FILE, SLOTS, STRENGTHS, BankSize, with_bank
from contract.families import SDXL
from contract.parts import ModelPart, TensorSpec
from export.families.published import PUBLISHED
from export.graphs.bank import take_bank
from export.graphs.storage import save_model, store_fp16
from export.graphs.weight_names import name_weights
from export.networks.bank import TorchBank
from export.networks.part_module import PartModule
from export.networks.trace import trace, weights_of
from perf.adapters.block import BANKED, PLAIN, UnetBlock, write_blocks
from perf.gpu.measure import DOWNSCALE, TINY

KINDS = (BasicTransformerBlock, ResnetBlock2D, Downsample2D, Upsample2D)
TOKENS = 77
GUIDED = 2  # samples of a step with guidance


class BlockModule(PartModule):
    def __init__(self, part: ModelPart, block: nn.Module) -> None:
        super().__init__(part)
        self.block = block
        self._names = [tensor.name for tensor in part.inputs if tensor.name not in (SLOTS, STRENGTHS)]

    def compute(self, inputs: Mapping[str, Tensor]) -> Any:
        first, *others = self._names
        return self.block(inputs[first], **{name: inputs[name] for name in others})


@dataclass
class Seen:
    """Modules of a network that are the same but for their weights, and what they are given."""

    first: nn.Module
    inputs: dict[str, tuple[int, ...]]
    ranks: int  # axes of what it makes
    paths: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        shapes = " ".join("x".join(map(str, shape[1:])) for shape in self.inputs.values())
        return f"{type(self.first).__name__} {shapes}"


def kinds_of(unet: UNet2DConditionModel, width: int, height: int) -> list[Seen]:
    """Of a network on the device `meta`, which knows shapes alone."""
    seen: dict[str, Seen] = {}
    within: set[nn.Module] = set()

    def look(path: str, module: nn.Module) -> None:
        def hook(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: Any) -> None:
            bound = inspect.signature(module.forward).bind(*args, **kwargs).arguments
            inputs = {name: tuple(one.shape) for name, one in bound.items() if isinstance(one, Tensor)}
            weights = [tuple(one.shape) for one in module.state_dict().values()]
            key = f"{type(module).__name__} {inputs} {weights}"
            seen.setdefault(key, Seen(module, inputs, made.ndim)).paths.append(path)

        module.register_forward_hook(hook, with_kwargs=True)

    for path, module in unet.named_modules():
        if module in within:
            continue
        if isinstance(module, KINDS):
            within |= set(module.modules())
            look(path, module)
        elif isinstance(module, nn.Linear | nn.Conv2d):
            look(path, module)
    config = unet.config
    pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
    with torch.device("meta"), torch.no_grad():
        unet(
            torch.zeros(GUIDED, config.in_channels, height // DOWNSCALE, width // DOWNSCALE),
            torch.zeros(GUIDED),
            torch.zeros(GUIDED, TOKENS, config.cross_attention_dim),
            added_cond_kwargs={
                "text_embeds": torch.zeros(GUIDED, pooled),
                "time_ids": torch.zeros(GUIDED, 6),
            },
        )
    return list(seen.values())


def check_whole(unet: UNet2DConditionModel, kinds: list[Seen]) -> None:
    """Raises SystemExit where a layer that a bank stands beside is in no block."""
    paths = {path for kind in kinds for path in kind.paths}
    for path, module in unet.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and not any(
            path == each or path.startswith(f"{each}.") for each in paths
        ):
            raise SystemExit(f"{path} is in no block")


def part_of(kind: Seen) -> ModelPart:
    """With as many free axes as the whole network's graph has."""
    return ModelPart(
        name=type(kind.first).__name__,
        inputs=tuple(TensorSpec(name, "FP32", _dims(name, shape)) for name, shape in kind.inputs.items()),
        outputs=(TensorSpec("made", "FP32", tuple(f"axis{number}" for number in range(1, kind.ranks))),),
    )


def _dims(name: str, shape: tuple[int, ...]) -> tuple[int | str, ...]:
    match shape:
        case (_, channels, _, _):
            return channels, "height", "width"
        case (_, _, channels):
            return "tokens" if name == "encoder_hidden_states" else "length", channels
        case (_, channels):
            return (channels,)
    raise SystemExit(f"{name} is of the shape {shape}")


def write(kind: Seen, size: BankSize, folder: Path) -> None:
    block = kind.first.to_empty(device="cpu").eval().requires_grad_(False)
    for name, weight in block.named_parameters():
        if weight.ndim > 1:
            nn.init.normal_(weight, std=(weight.numel() / weight.shape[0]) ** -0.5)
        else:
            nn.init.constant_(weight, float(name.endswith("weight")))
    part = part_of(kind)
    banked = with_bank(part, ADAPTERS)
    for name, its, rank in ((PLAIN, part, 0), (BANKED, banked, size.rank)):
        module = BlockModule(its, block)
        if rank:
            module.bank = TorchBank(module, rank, slots=1)
        model = trace(module, its)
        bank = take_bank(model, size) if rank else None
        weights = name_weights(model, weights_of(module), set())
        store_fp16(model, weights)
        save_model(model, folder / name / "1", weights)
        if bank:
            (folder / name / BANK_FILE).write_bytes(bank.to_json())


def write_all(
    config: Mapping[str, Any], size: BankSize, width: int, height: int, folder: Path
) -> Iterator[UnetBlock]:
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(dict(config)).eval()
    kinds = kinds_of(unet, width, height)
    check_whole(unet, kinds)
    torch.manual_seed(0)
    for number, kind in enumerate(kinds):
        parameters = sum(one.numel() for one in kind.first.parameters())
        write(kind, size, folder / str(number))
        kind.first.to("meta")
        yield UnetBlock(kind.name, str(number), len(kind.paths), parameters, kind.inputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiny", action="store_true", help="a network of no use, to try the script")
    parser.add_argument("--size", default="1024x1024")
    parser.add_argument("--bank", type=BankSize.of_text, default=BankSize(16, 16))
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    config = TINY if given.tiny else PUBLISHED[SDXL.name]["unet"]
    given.folder.mkdir(parents=True, exist_ok=True)
    write_blocks(given.folder, list(write_all(config, given.bank, width, height, given.folder)))


if __name__ == "__main__":
    main()
