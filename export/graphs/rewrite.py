"""A copy of an exported network with some other weights, made in one pass and hashed on the way.

What changes is read, computed and written strip by strip; what does not is copied within the system, which on
file systems that can (XFS, Btrfs) takes neither time nor room: both files then have it in common.
"""

import errno
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
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
from export.graphs.storage import MODEL_FILE, PAGE, WEIGHTS_FILE

BLOCK = 1 << 20  # bytes
REGION = 1 << 26  # bytes that are copied at a time
WORKERS = min(4, os.cpu_count() or 1)
AHEAD = 4 * WORKERS  # regions that are written and not hashed yet
CANNOT = (errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)

Array = npt.NDArray[Any]
Change = Callable[[Array], Iterator[Array]]
"""A weight → another of its shape and type, in strips of any number of rows. For any thread."""
Copy = Callable[[int, int, int, int, int], int]
"""os.copy_file_range."""


@dataclass(frozen=True)
class FileRegion:
    """Of the file of weights."""

    start: int
    length: int
    tensor: TensorProto | None  # that changes; None where nothing does


def rewrite(
    source: Path,
    target: Path,
    model: onnx.ModelProto,
    changes: Mapping[str, Change],
    copy: Copy = os.copy_file_range,
) -> str:
    """`source`, `target`: folders of model.onnx; `model` is the source's graph, changed here; `changes` by
    initialiser. Returns SHA-256 of what it wrote, as storage.graph_digest has it.

    Raises ExportError for a source that is damaged.
    """
    for tensor in model.graph.initializer:
        if tensor.name in changes and not uses_external_data(tensor):
            value = numpy_helper.to_array(tensor)
            tensor.raw_data = b"".join(strip.tobytes() for strip in changes[tensor.name](value))
    target.mkdir(parents=True, exist_ok=True)
    graph = model.SerializeToString()
    (target / MODEL_FILE).write_bytes(graph)
    digest = hashlib.sha256(graph)
    if (source / WEIGHTS_FILE).is_file():
        for block in _write_weights(source / WEIGHTS_FILE, target / WEIGHTS_FILE, model, changes, copy):
            digest.update(block)
    return digest.hexdigest()


def _write_weights(
    source: Path, target: Path, model: onnx.ModelProto, changes: Mapping[str, Change], copy: Copy
) -> Iterator[memoryview]:
    """Yields what was written, from the begin to the end."""
    regions = _regions(source, model, changes)
    with source.open("rb") as old, target.open("w+b", buffering=0) as new:

        def write(region: FileRegion) -> FileRegion:
            if region.tensor is None:
                _copy(old.fileno(), new.fileno(), region, copy)
            else:
                weight = _mapped(source, region.tensor)
                _put(new.fileno(), changes[region.tensor.name](weight), region.start)
            return region

        with ThreadPoolExecutor(WORKERS) as pool:
            written: deque[Future[FileRegion]] = deque()
            for region in regions:
                written.append(pool.submit(write, region))
                if len(written) > AHEAD:
                    yield from _blocks(new.fileno(), written.popleft().result())
            while written:
                yield from _blocks(new.fileno(), written.popleft().result())


def _mapped(path: Path, tensor: TensorProto) -> Array:
    start, length = place_of(tensor)
    return array_of(tensor, np.asarray(np.memmap(path, np.uint8, "r", start, length)))


def _put(file: int, strips: Iterator[Array], place: int) -> None:
    for strip in strips:
        # Not every type has a buffer of its own kind (bfloat16), but all are bytes.
        data = np.ascontiguousarray(strip).reshape(-1).view(np.uint8).data
        while data:
            done = os.pwrite(file, data, place)
            data, place = data[done:], place + done


def _copy(old: int, new: int, region: FileRegion, copy: Copy) -> None:
    place, end = region.start, region.start + region.length
    while place < end:
        # Files have whole pages in common: so up to the first one by itself.
        count = min(end, -(-(place + 1) // PAGE) * PAGE if place % PAGE else end) - place
        try:
            done = copy(old, new, count, place, place)
        except OSError as error:
            if error.errno not in CANNOT:
                raise
            done = os.pwrite(new, os.pread(old, min(count, BLOCK), place), place)
        if not done:
            raise ExportError("The file of weights has become shorter; export the model again")
        place += done


def _blocks(file: int, region: FileRegion) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(min(BLOCK, region.length)))
    place, end = region.start, region.start + region.length
    while place < end:
        done = os.preadv(file, [buffer[: end - place]], place)
        yield buffer[:done]
        place += done


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


def _regions(path: Path, model: onnx.ModelProto, changes: Mapping[str, Change]) -> Iterator[FileRegion]:
    """The whole file in its order. Raises ExportError before the first where weights have no place in it."""
    tensors = [tensor for tensor in model.graph.initializer if uses_external_data(tensor)]
    placed = sorted(((place_of(one), one) for one in tensors), key=itemgetter(0))
    size, end = path.stat().st_size, 0
    for (start, length), _ in placed:
        if start < end:
            raise ExportError(f"{path}: two weights share their place; export the model again")
        end = start + length
    if end > size:
        raise ExportError(f"{path} ends before its last weight; export the model again")
    changing = [(start, length, one) for (start, length), one in placed if one.name in changes]
    return _in_order(changing, size)


def _in_order(changing: list[tuple[int, int, TensorProto]], size: int) -> Iterator[FileRegion]:
    place = 0
    for start, length, tensor in changing:
        yield from _copied(place, start)
        yield FileRegion(start, length, tensor)
        place = start + length
    yield from _copied(place, size)


def _copied(place: int, end: int) -> Iterator[FileRegion]:
    for start in range(place, end, REGION):
        yield FileRegion(start, min(REGION, end - start), None)


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
