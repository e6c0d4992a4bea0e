"""The measuring side of perf.gpu.bench_bank, in the exporter's environment; its last line is JSON.

python -m perf.gpu.bank [--runners eager,compile] [--batches 1,2,4,8] [--bank 16x16] [--tiny] [...]
"""

import gc
import json
import sys
from collections.abc import Iterator
from typing import Any

import torch

from contract.bank import DOWN, SLOTS, STRENGTHS, UP, BankSize
from contract.families import SDXL
from export.families.published import PUBLISHED
from export.networks.networks import Network
from export.networks.trace import example_inputs
from perf.gpu.measure import DOWNSCALE, TINY, check_step, denoiser, options
from perf.gpu.runners import RUNNERS, Inputs
from perf.gpu.timing import seconds

FACTOR_SIZE = 0.02
PLAIN, BANKED = "plain", "bank"


def inputs_of(network: Network, batch: int, size: tuple[int, int], given: Any) -> Inputs:
    """With a bank, a character of its own for each sample."""
    width, height = size
    sizes = {"batch": batch, "height": height // DOWNSCALE, "width": width // DOWNSCALE, "tokens": 77}
    found = {name: one.to(given.device) for name, one in example_inputs(network.part, sizes).items()}
    if SLOTS in found:
        found[SLOTS] = torch.arange(1, batch + 1, device=given.device).reshape(batch, 1)
        found[STRENGTHS] = torch.ones(batch, 1, device=given.device)
    return found


def fill(network: Network) -> None:
    """The slots, all but the first."""
    for name, table in network.module.named_buffers():
        if name.endswith((DOWN, UP)):
            torch.nn.init.normal_(table[1:], std=FACTOR_SIZE)


def apart_in_company(network: Network, inputs: Inputs) -> float:
    """How far a step of a picture among others is from the same alone: of the norm."""
    together = network.module(**inputs)[:1]
    alone = network.module(**{name: one[:1] for name, one in inputs.items()})
    return float((together.float() - alone.float()).norm() / alone.float().norm())


def rows_of(kind: str, network: Network, given: Any) -> Iterator[dict[str, Any]]:
    """Figures of each runner at each shape. Raises SystemExit where one makes another step than torch."""
    for name in given.runners:
        step = RUNNERS[name](network, max(given.batches), DOWNSCALE)
        for width, height in given.sizes:
            for batch in given.batches:
                inputs = inputs_of(network, batch, (width, height), given)
                with torch.no_grad():
                    check_step(f"{kind} {name}", step(inputs), network.module(**inputs))
                    took = seconds(lambda: step(inputs), given.device, given.rounds)  # noqa: B023, used at once
                    apart = apart_in_company(network, inputs) if kind == BANKED else 0.0
                row = {"network": kind, "runner": name, "batch": batch, "width": width, "height": height}
                row |= {"ms_per_step": round(1000 * took, 3), "apart_in_company": apart}
                print(json.dumps(row), file=sys.stderr, flush=True)
                yield row


def measure(given: Any) -> dict[str, Any]:
    """One network after the other: both may not fit."""
    rows: list[dict[str, Any]] = []
    for kind in (PLAIN, BANKED):
        config, bank = (
            TINY if given.tiny else PUBLISHED[SDXL.name]["unet"],
            given.bank if kind == BANKED else None,
        )
        network = denoiser(config, given.device, getattr(torch, given.dtype), bank)
        fill(network)
        rows += rows_of(kind, network, given)
        del network
        gc.collect()
    return {
        "device": torch.cuda.get_device_name() if given.device == "cuda" else "cpu",
        "torch": torch.__version__,
        "dtype": given.dtype,
        "bank": str(given.bank),
        "apart_in_company": max(row["apart_in_company"] for row in rows),
        "rows": rows,
    }


def main() -> int:
    parser = options()
    parser.description = __doc__
    parser.add_argument("--bank", type=BankSize.of_text, default=BankSize(16, 16))
    parser.set_defaults(runners=["eager", "compile"])
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        print(
            "there is no GPU here that torch can use; `--tiny --device cpu` tries the script", file=sys.stderr
        )
        return 2
    print(json.dumps(measure(given)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
