"""What perf.bench_merge has beside the real command, each in a process of its own; the last line is JSON.

In the environment of Triton: python -m perf.merge.steps before|floor FOLDER LORA, as perf.merge.base writes.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from export.graphs.storage import MODEL_FILE, WEIGHTS_FILE
from export.lora.lora_file import read_lora
from export.lora.merge import STRIP, Merge
from export.lora.strength import Strength
from export.lora.targets import denoiser_root
from export.merge_origin import family_of_base, split_layers
from perf.merge.before import merge_whole

BLOCK = bytes(1 << 22)


def merge_of(base: Path, lora: Path) -> Merge:
    layers, family = read_lora(lora), family_of_base(base)
    _, names, _ = split_layers(layers, family)
    model = onnx.load(base / "1" / MODEL_FILE, load_external_data=False)
    return Merge.of(model, layers, names, Strength(), family, (denoiser_root(family),))


def before(base: Path, lora: Path, target: Path) -> dict[str, Any]:
    return {"sha256": merge_whole(base / "1", target, merge_of(base, lora))}


def floor(base: Path, lora: Path, target: Path) -> dict[str, Any]:
    """Writing as many bytes as the weights have, and the products of the LoRA's factors, as no merge can do
    without: neither reads, casts, adds, checks or hashes."""
    size = (base / "1" / WEIGHTS_FILE).stat().st_size
    merge = merge_of(base, lora)
    target.mkdir(parents=True)
    changed = [shape_bytes(target.shape) for target, _ in merge.layers.values()]
    return {
        "write": timed(lambda: write(target / WEIGHTS_FILE, size)),
        "blas": timed(lambda: multiply(merge)),
        "changed_gb": sum(changed) / 1e9,
    }


def shape_bytes(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape)) * np.dtype(np.float16).itemsize


def timed(do: Callable[[], None]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def write(path: Path, size: int) -> None:
    with path.open("wb", buffering=0) as file:
        while size > 0:
            size -= file.write(BLOCK[:size])


def multiply(merge: Merge) -> None:
    def one(name: str) -> None:
        factors = merge.lora.layer(name).product.factors
        assert factors
        up, down = factors
        rows = max(1, STRIP // down.shape[1])
        made = np.empty((rows, down.shape[1]), np.float32)
        for start in range(0, len(up), rows):
            part = up[start : start + rows]
            np.matmul(part, down, out=made[: len(part)])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, [name for _, name in merge.layers.values()]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("before", "floor"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("lora")
    given = parser.parse_args()
    base = given.folder / "repository" / "eros-denoiser"
    do = {"before": before, "floor": floor}[given.step]
    print(json.dumps(do(base, given.folder / f"{given.lora}.safetensors", given.folder / given.step / "1")))


if __name__ == "__main__":
    main()
