"""A copy of an exported network with some other weights, made in one pass: a few tensors in memory at a time.

Both the files that are read and those that are written are hashed on the way, so no gigabyte is read twice.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from export.errors import ExportError
from export.graphs.storage import MODEL_FILE, WEIGHTS_FILE

BLOCK = 1 << 20  # bytes, of what lies between two tensors
WORKERS = min(4, os.cpu_count() or 1)

Array = npt.NDArray[Any]
Change = Callable[[str, Array], Array | None]
"""A weight's name and value → another of its shape and type; None leaves it as it is. For any thread."""


@dataclass(frozen=True)
class Rewritten:
    """SHA-256 of graph and weights, as storage.graph_digest has it."""

    source: str
    made: str


def rewrite(source: Path, target: Path, model: onnx.ModelProto, change: Change) -> Rewritten:
    """`source`, `target`: folders of model.onnx; `model` is the source's graph, changed here.

    Raises ExportError for a source that is damaged.
    """
    read, written = hashlib.sha256(), hashlib.sha256()
    with (source / MODEL_FILE).open("rb") as file:
        while block := file.read(BLOCK):
            read.update(block)
    _change_inside(model, change)
    target.mkdir(parents=True, exist_ok=True)
    graph = model.SerializeToString()
    written.update(graph)
    (target / MODEL_FILE).write_bytes(graph)
    if (source / WEIGHTS_FILE).is_file():
        _copy_weights(source / WEIGHTS_FILE, target / WEIGHTS_FILE, model, change, (read, written))
    return Rewritten(read.hexdigest(), written.hexdigest())


def _change_inside(model: onnx.ModelProto, change: Change) -> None:
    """The weights that are in the graph's own file."""
    for tensor in model.graph.initializer:
        if not uses_external_data(tensor):
            value = change(tensor.name, numpy_helper.to_array(tensor))
            if value is not None:
                tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))


def _copy_weights(
    source: Path, target: Path, model: onnx.ModelProto, change: Change, digests: tuple[Any, Any]
) -> None:
    read, written = digests
    with target.open("wb") as file:

        def write(block: Any) -> None:
            file.write(block)
            written.update(block)

        with _behind(read.update) as note, _behind(write) as put, ThreadPoolExecutor(WORKERS) as pool:
            changing: deque[Future[Any]] = deque()
            for tensor, block in _blocks(source, model):
                note(block)
                changing.append(pool.submit(_bytes_of, tensor, block, change))
                if len(changing) > WORKERS:
                    put(changing.popleft().result())
            for one in changing:
                put(one.result())


def _bytes_of(tensor: TensorProto | None, block: bytes, change: Change) -> Any:
    if tensor is None:
        return block
    value = change(tensor.name, array_of(tensor, block))
    # Not every type has a buffer of its own kind (bfloat16), but all are bytes.
    return block if value is None else np.ascontiguousarray(value).reshape(-1).view(np.uint8)


def read_weight(folder: Path, tensor: TensorProto) -> Array:
    """One initialiser of folder/model.onnx, wherever it is kept."""
    if not uses_external_data(tensor):
        inside: Array = numpy_helper.to_array(tensor)
        return inside
    start, length = place_of(tensor)
    with (folder / WEIGHTS_FILE).open("rb") as file:
        file.seek(start)
        return array_of(tensor, file.read(length))


def array_of(tensor: TensorProto, block: bytes | Array) -> Array:
    """What a tensor of this type and shape is, held as these bytes."""
    flat: Array = np.frombuffer(block, helper.tensor_dtype_to_np_dtype(tensor.data_type))
    return flat.reshape(tuple(tensor.dims))


def _blocks(path: Path, model: onnx.ModelProto) -> Iterator[tuple[TensorProto | None, bytes]]:
    """The whole file in its order: each tensor's bytes, and (None) what lies between them."""
    tensors = [tensor for tensor in model.graph.initializer if uses_external_data(tensor)]
    with path.open("rb") as file:
        for (start, length), tensor in sorted(((place_of(one), one) for one in tensors), key=itemgetter(0)):
            if start < file.tell():
                raise ExportError(f"{path}: two weights share their place; export the model again")
            while gap := file.read(min(BLOCK, start - file.tell())):
                yield None, gap
            block = file.read(length)
            if len(block) != length:
                raise ExportError(f"{path} ends before its last weight; export the model again")
            yield tensor, block
        while block := file.read(BLOCK):
            yield None, block


def place_of(tensor: TensorProto) -> tuple[int, int]:
    """Offset and length, in bytes, in the file of weights. Raises ExportError if its shape needs others."""
    size = int(np.prod(tensor.dims)) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    try:
        place = ExternalDataInfo(tensor)
        offset, length = int(place.offset or 0), int(place.length or 0)
    except ValueError:  # what is no number, or negative
        offset, length = -1, -1
    if offset < 0 or length != size:
        raise ExportError(
            f"The weight {tensor.name} has a wrong place in its file; export the model again"
        ) from None
    return offset, length


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
