"""The measuring side of perf.gpu.bench_denoiser, in the exporter's environment; its last line is JSON.

python -m perf.gpu.measure --runners eager,compile,inductor --batches 1,2,4,8 --sizes 1024x1024 [--tiny] [...]
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from contract.bank import BankSize, with_bank
from contract.families import Sizes
from contract.names import DENOISER
from contract.schedules import Diffusion, FlowSchedule
from export.families.sdxl import FAMILY
from export.networks.bank import TorchBank
from export.networks.decoder import Decoder
from export.networks.denoiser import Denoiser
from export.networks.networks import Network
from export.networks.trace import example_inputs
from perf.gpu.floor import Ceilings, Work, count, floor_ms
from perf.gpu.runners import RUNNERS, Step
from perf.gpu.timing import measure_ceilings, seconds

STEPS = 20
DOWNSCALE = 8
assert FAMILY.single_file
PUBLISHED_UNET = FAMILY.single_file.configs["unet"]
PUBLISHED_VAE = FAMILY.single_file.configs["vae"]
# Of the norm; a dtype's own error, over all operations of a step, stays well below.
MAX_APART = {torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.2}
TINY: Mapping[str, Any] = {
    **PUBLISHED_UNET,
    "block_out_channels": [32, 64],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": [1, 1],
    "attention_head_dim": [2, 4],
    "cross_attention_dim": 64,
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + 32,
    "norm_num_groups": 8,
}
TINY_VAE: Mapping[str, Any] = {
    **PUBLISHED_VAE,
    "block_out_channels": [16, 16, 16, 16],
    "norm_num_groups": 4,
}


def denoiser(
    config: Mapping[str, Any], device: str, dtype: torch.dtype, bank: BankSize | None = None
) -> Network:
    """With seeded random weights: time does not depend on them."""
    torch.manual_seed(0)
    with torch.device(device):
        unet = UNet2DConditionModel.from_config(dict(config)).to(dtype)
    pooled = config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]
    width, channels = config["cross_attention_dim"], config["in_channels"]
    part = FAMILY.row.parts(Sizes(width=width, pooled=pooled, window=77, channels=channels))[DENOISER]
    part = with_bank(part, adapters=1) if bank else part
    module = Denoiser(part, unet, Diffusion("flow", FlowSchedule(1.0)), FAMILY)
    if bank:
        with torch.device(device):
            module.bank = TorchBank(module, bank.rank, bank.slots + 1)
    return Network(part, module.to(device).eval().requires_grad_(False), sources=(), all_used=True)


def decoder(config: Mapping[str, Any], device: str, dtype: torch.dtype) -> Decoder:
    torch.manual_seed(0)
    with torch.device(device):
        vae = AutoencoderKL.from_config(dict(config)).to(dtype)
    found: Decoder = Decoder(vae).to(device).eval().requires_grad_(False)
    return found


def draw(step: Step, inputs: Mapping[str, torch.Tensor], decode: Decoder | None) -> torch.Tensor:
    """STEPS Euler steps from sigma 1 to 0, and the picture if there is a decoder."""
    state = dict(inputs)
    for number in range(STEPS):
        for name, level in (("sigma", number), ("sigma_next", number + 1)):
            state[name] = torch.full_like(inputs["sigma"], 1 - level / STEPS)
        state["latents"] = step(state)
    found: torch.Tensor = decode(state["latents"]) if decode else state["latents"]
    return found


def row(
    name: str,
    step: Step,
    inputs: Mapping[str, torch.Tensor],
    work: Work,
    ceilings: Ceilings,
    given: argparse.Namespace,
    decode: Decoder | None,
) -> dict[str, Any]:
    """Figures of one runner at one shape."""
    batch = len(inputs["latents"])
    took = 1000 * seconds(lambda: step(inputs), given.device, given.rounds)
    whole = seconds(
        lambda: draw(step, inputs, decode), given.device, rounds=max(1, given.rounds // 4), warm_up=1
    )
    least = floor_ms(work, ceilings)
    return {
        "runner": name,
        "batch": batch,
        "width": inputs["latents"].shape[3] * DOWNSCALE,
        "height": inputs["latents"].shape[2] * DOWNSCALE,
        "ms_per_step": round(took, 3),
        "floor_ms": round(least, 3),
        "share_of_floor": round(least / took, 3),
        "pictures_per_s": round(batch / whole, 3),
        "gflop": round(work.flops / 1e9, 1),
        "gb": round((work.weight_bytes + work.activation_bytes) / 1e9, 3),
    }


def check_step(name: str, made: torch.Tensor, wanted: torch.Tensor) -> None:
    """Raises SystemExit where a runner makes another step than torch, operator by operator."""
    apart = float((made.float() - wanted.float()).norm() / wanted.float().norm())
    if not apart <= MAX_APART[wanted.dtype]:
        sys.exit(f"{name} makes another step than torch: {apart:.2g} apart, relative")


def measure(given: argparse.Namespace) -> dict[str, Any]:
    dtype = getattr(torch, given.dtype)
    config = TINY if given.tiny else PUBLISHED_UNET
    side, copied = (256, 8) if given.tiny else (8192, 2048)
    ceilings = measure_ceilings(given.device, dtype, side, copied)
    vae = TINY_VAE if given.tiny else PUBLISHED_VAE
    # SDXL's published decoder overflows in fp16; in bfloat16 it takes the same time.
    decode = decoder(vae, given.device, torch.bfloat16) if given.decoder else None
    rows = []
    network = denoiser(config, given.device, dtype)
    counted = denoiser(config, "meta", dtype)
    for name in given.runners:
        step = RUNNERS[name](network, max(given.batches), DOWNSCALE)
        for width, height in given.sizes:
            for batch in given.batches:
                sizes = {
                    "batch": batch,
                    "height": height // DOWNSCALE,
                    "width": width // DOWNSCALE,
                    "tokens": 77,
                }
                inputs = {
                    key: value.to(given.device) for key, value in example_inputs(network.part, sizes).items()
                }
                work = count(counted.module, inputs)
                with torch.no_grad():
                    check_step(name, step(inputs), network.module(**inputs))
                    rows.append(row(name, step, inputs, work, ceilings, given, decode))
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return {
        "device": torch.cuda.get_device_name() if given.device == "cuda" else "cpu",
        "torch": torch.__version__,
        "dtype": given.dtype,
        "steps": STEPS,
        "decoder": given.decoder,
        "tflops": round(ceilings.tflops, 3),
        "gb_per_s": round(ceilings.gb_per_s, 1),
        "rows": rows,
    }


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), default="float16")
    parser.add_argument("--runners", type=_names, default=list(RUNNERS))
    parser.add_argument("--batches", type=_numbers, default=[1, 2, 4, 8])
    parser.add_argument("--sizes", type=_sizes, default=[(1024, 1024), (1344, 768)])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--decoder", action="store_true", help="count the decoder into pictures a second")
    parser.add_argument("--tiny", action="store_true", help="a network of no use, to try the script")
    return parser


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in RUNNERS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(RUNNERS)}")
    return names


def _numbers(text: str) -> list[int]:
    return [int(item) for item in text.split(",")]


def _sizes(text: str) -> list[tuple[int, int]]:
    pairs = (item.split("x") for item in text.split(","))
    return [(int(width), int(height)) for width, height in pairs]


def main(arguments: Sequence[str] | None = None) -> int:
    given = options().parse_args(arguments)
    if given.device == "cuda" and not torch.cuda.is_available():
        print(
            "there is no GPU here that torch can use; `--tiny --device cpu` tries the script", file=sys.stderr
        )
        return 2
    print(json.dumps(measure(given)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
