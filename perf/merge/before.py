"""A merge as it was made before, to compare with: the whole file is read, hashed, copied and hashed again;
each weight that changes is cast, changed and cast back as a whole. Of low-rank layers alone.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto
from onnx.external_data_helper import uses_external_data

from export.graphs.rewrite import Array, array_of, place_of
from export.graphs.storage import MAX_FP16, MODEL_FILE, WEIGHTS_FILE
from export.lora.merge import Merge

BLOCK, STRIP = 1 << 20, 1 << 18
WORKERS = min(4, os.cpu_count() or 1)


def merge_whole(source: Path, target: Path, merge: Merge) -> str:
    """`source`, `target`: folders of model.onnx. Returns SHA-256 of what was written."""
    read, written = hashlib.sha256(), hashlib.sha256()
    graph = (source / MODEL_FILE).read_bytes()
    read.update(graph)
    model = onnx.load_from_string(graph)
    target.mkdir(parents=True)
    made = model.SerializeToString()
    written.update(made)
    (target / MODEL_FILE).write_bytes(made)
    with (target / WEIGHTS_FILE).open("wb") as file:

        def write(block: Any) -> None:
            file.write(block)
            written.update(block)

        with _behind(read.update) as note, _behind(write) as put, ThreadPoolExecutor(WORKERS) as pool:
            changing: deque[Future[Any]] = deque()
            for tensor, block in _blocks(source / WEIGHTS_FILE, model):
                note(block)
                changing.append(pool.submit(_changed, tensor, block, merge))
                if len(changing) > WORKERS:
                    put(changing.popleft().result())
            for one in changing:
                put(one.result())
    return written.hexdigest()


def _changed(tensor: TensorProto | None, block: bytes, merge: Merge) -> Any:
    if tensor is None or tensor.name not in merge.layers:
        return block
    weight = array_of(tensor, block)
    target, name = merge.layers[tensor.name]
    layer = merge.lora.layer(name)
    assert layer.product.factors
    up, down = layer.product.factors
    scaled = np.float32(layer.scale) * up
    change = down.T @ scaled.T if target.transposed else scaled @ down
    stored = _sum(weight, change.reshape(weight.shape), merge.strength.of(target.full_path))
    return np.ascontiguousarray(stored).reshape(-1).view(np.uint8)


def _sum(weight: Array, change: Array, strength: float) -> Array:
    stored = np.empty_like(weight)
    rows = max(1, STRIP * len(weight) // weight.size)
    for start in range(0, len(weight), rows):
        part, strip = change[start : start + rows], slice(start, start + rows)
        part *= np.float32(strength)
        part += weight[strip].astype(np.float32)
        assert max(part.max(), -part.min()) <= MAX_FP16
        stored[strip] = part
    return stored


def _blocks(path: Path, model: onnx.ModelProto) -> Iterator[tuple[TensorProto | None, bytes]]:
    tensors = [tensor for tensor in model.graph.initializer if uses_external_data(tensor)]
    with path.open("rb") as file:
        for tensor in sorted(tensors, key=place_of):
            start, length = place_of(tensor)
            while gap := file.read(min(BLOCK, start - file.tell())):
                yield None, gap
            yield tensor, file.read(length)
        while block := file.read(BLOCK):
            yield None, block


@contextmanager
def _behind(do: Callable[[Any], object]) -> Iterator[Callable[[Any], None]]:
    """Yields a function that has another thread `do` one block after the other, at most one behind."""
    pending: deque[Future[object]] = deque()

    def put(block: Any) -> None:
        while pending:
            pending.popleft().result()
        pending.append(pool.submit(do, block))

    with ThreadPoolExecutor(1) as pool:
        yield put
        while pending:
            pending.popleft().result()
