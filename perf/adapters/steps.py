"""A step of networks or blocks without and with a bank, by turns, in the server's runtime, as Triton's
environment has it; its last line is JSON.

python -m perf.adapters.steps FOLDER ROUNDS: FOLDER is as perf.adapters.blocks writes it.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.bank import MAX_ADAPTERS, SLOTS, STRENGTHS, Bank, read_bank
from perf.adapters.block import BANKED, PLAIN, UnetBlock, read_blocks

sys.path.insert(0, str(Path(__file__).parents[2] / "backends" / "shared"))

from openvino_session import OpenVinoSession, has_bf16

Arrays = dict[str, npt.NDArray[Any]]
MAX_APART = 0.05  # of the norm: a bank whose LoRAs have the strength 0 makes what there is without one
SIGMAS = {"sigma": 0.7, "sigma_next": 0.6, "guidance": 4.0}


@dataclass(frozen=True)
class StepTime:
    seconds: float
    cpu_seconds: float  # of all cores together: the steadier figure on a busy machine


@dataclass(frozen=True)
class BlockTimes:
    """The best of all rounds, each."""

    name: str
    count: int
    parameters: int
    plain: StepTime
    one: StepTime  # every sample with one adapter
    two: StepTime  # with two


def inputs_of(shapes: Mapping[str, tuple[int, ...]]) -> Arrays:
    return {
        name: np.full(shape, SIGMAS[name], np.float32)
        if name in SIGMAS
        else np.random.default_rng(number).standard_normal(shape, np.float32)
        for number, (name, shape) in enumerate(shapes.items())
    }


def with_slots(inputs: Arrays, adapters: int, strength: float = 1.0) -> Arrays:
    samples = len(next(iter(inputs.values())))
    slots = np.zeros((samples, MAX_ADAPTERS), np.int64)
    slots[:, :adapters] = range(1, adapters + 1)
    return {**inputs, SLOTS: slots, STRENGTHS: np.where(slots > 0, np.float32(strength), np.float32(0))}


def tables_of(bank: Bank) -> Arrays:
    random = np.random.default_rng(0)
    found = {table.name: np.zeros(bank.shape(table), np.float32) for table in bank.tables}
    for table in found.values():
        table[1 : MAX_ADAPTERS + 1] = random.standard_normal(table[1 : MAX_ADAPTERS + 1].shape) * 0.02
    return found


def took(work: Callable[[], object]) -> StepTime:
    started, busy = time.perf_counter(), time.process_time()
    work()
    return StepTime(time.perf_counter() - started, time.process_time() - busy)


def check_company(banked: OpenVinoSession, inputs: Arrays, name: str) -> None:
    """A sample with one LoRA and one with two are the same to the bit alone, where one table is left out, and
    side by side. Raises SystemExit."""
    sides = [with_slots({key: value[:1] for key, value in inputs.items()}, adapters) for adapters in (1, 2)]
    together = banked.run({key: np.concatenate([side[key] for side in sides]) for key in sides[0]})
    for number, side in enumerate(sides):
        for key, alone in banked.run(side).items():
            if not np.array_equal(alone[0], together[key][number]):
                raise SystemExit(f"{name}: a sample among others is not what it is alone")


def measure(block: UnetBlock, folder: Path, rounds: int, precision: str) -> BlockTimes:
    """Raises SystemExit where both do not compute the same, or not the same alone and among others."""
    graphs = {name: folder / block.folder / name for name in (PLAIN, BANKED)}
    bank = read_bank(graphs[BANKED])
    assert bank
    plain = OpenVinoSession(str(graphs[PLAIN] / "1" / "model.onnx"), {}, precision)
    banked = OpenVinoSession(str(graphs[BANKED] / "1" / "model.onnx"), {}, precision, tables=tables_of(bank))
    inputs = inputs_of(block.shapes)
    wanted = plain.run(inputs)
    for name, found in banked.run(with_slots(inputs, MAX_ADAPTERS, strength=0.0)).items():
        apart = float(np.linalg.norm(np.subtract(found, wanted[name])) / np.linalg.norm(wanted[name]))
        if not apart <= MAX_APART:
            raise SystemExit(f"{block.name} computes something else with a bank: {apart:.2g} apart, relative")
    check_company(banked, inputs, block.name)
    contenders: dict[str, Callable[[], object]] = {
        "plain": lambda: plain.run(inputs),
        "one": lambda: banked.run(with_slots(inputs, 1)),
        "two": lambda: banked.run(with_slots(inputs, 2)),
    }
    times: dict[str, list[StepTime]] = {name: [] for name in contenders}
    for work in contenders.values():
        work()
    for _ in range(rounds):
        for name, work in contenders.items():
            times[name].append(took(work))
    best = {
        name: StepTime(min(one.seconds for one in each), min(one.cpu_seconds for one in each))
        for name, each in times.items()
    }
    return BlockTimes(block.name, block.count, block.parameters, **best)


def main() -> None:
    folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
    precision = "bf16" if has_bf16() else "f32"
    found = []
    for block in read_blocks(folder):
        found.append(measure(block, folder, rounds, precision))
        print(json.dumps(asdict(found[-1])), file=sys.stderr, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({"precision": precision, "peak_gb": peak, "blocks": [asdict(one) for one in found]}))


if __name__ == "__main__":
    main()
