"""How an ONNX file keeps its weights: type, and one file or two. Needs numpy and onnx only."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Storage = Literal["fp16", "fp32"]
Array = npt.NDArray[Any]
NO_VALUES: Mapping[str, Array] = MappingProxyType({})

# Above this, weights go into model.onnx.data beside the graph. A LoRA is then merged one tensor at a time; a
# protobuf is read, changed and written as a whole, and cannot hold 2 GiB at all.
ONE_FILE_BYTES = 256_000_000
SMALL = 1024  # elements; below, and for vectors, half the size is not worth the rounding
PAGE = 4096  # bytes
STRIP = 64  # columns
MAX_FP16 = float(np.finfo(np.float16).max)
MODEL_FILE = "model.onnx"
WEIGHTS_FILE = "model.onnx.data"
PLAN_FILE = "model.plan"
PLAN_RECORD_FILE, PACKAGE_RECORD_FILE = "plan.json", "package.json"
PACKAGE_FILE, CONSTANTS_FILE = "model.pt2", "weights.safetensors"  # the second is a character's own
HASHES_FILE = "weights.json"
"""Beside config.pbtxt. `text_to_image` tells it with every picture, whose credentials name its weights."""


def store_fp16(model: onnx.ModelProto, values: Mapping[str, Array] = NO_VALUES) -> None:
    """Keeps matrices and kernels as fp16, each cast to fp32 where it is used.

    `values`: as for save_model, which rounds them. onnxruntime folds the casts when it loads the file, so it
    computes in fp32 as before. A weight with a value that fp16 cannot hold stays fp32.
    """
    graph = model.graph
    casts = {}
    for tensor in graph.initializer:
        if _worth_halving(tensor):
            value = _value(tensor, values)
            if max(float(value.max()), -float(value.min())) <= MAX_FP16:
                if tensor.name in values:
                    tensor.data_type = TensorProto.FLOAT16
                else:
                    tensor.CopyFrom(numpy_helper.from_array(value.astype(np.float16), tensor.name))
                casts[tensor.name] = f"{tensor.name}/fp32"
    for node in graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = casts.get(name, name)
    nodes = [
        helper.make_node("Cast", [name], [cast], name=cast, to=TensorProto.FLOAT)
        for name, cast in casts.items()
    ]
    body = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *body])


def load_model(path: Path) -> onnx.ModelProto:
    """With its weights in memory, wherever they are kept."""
    return onnx.load(path, load_external_data=True)


def save_model(
    model: onnx.ModelProto,
    folder: Path,
    values: Mapping[str, Array] = NO_VALUES,
    one_file_bytes: int = ONE_FILE_BYTES,
) -> None:
    """Writes `folder`/model.onnx and, for large models, model.onnx.data, one tensor after the other.

    `values`: of initialisers that have a type and a shape only; they are rounded to the type. The model is
    changed, and good for nothing else then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {tensor.name: _size(tensor) for tensor in model.graph.initializer}
    large = sum(sizes.values()) > one_file_bytes
    outside = {name for name, size in sizes.items() if large and size >= SMALL}
    if outside:
        with (folder / WEIGHTS_FILE).open("wb") as file:
            for tensor in model.graph.initializer:
                if tensor.name in outside:
                    _put_outside(tensor, _bytes(tensor, values), file)
    for tensor in model.graph.initializer:
        if tensor.name in values and tensor.name not in outside:
            tensor.raw_data = bytes(_bytes(tensor, values))
    (folder / MODEL_FILE).write_bytes(model.SerializeToString(deterministic=True))


def _put_outside(tensor: TensorProto, data: Array, file: BinaryIO) -> None:
    """Begins at a page, so that a reader may map it."""
    file.write(bytes(-file.tell() % PAGE))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    place = {"location": WEIGHTS_FILE, "offset": file.tell(), "length": data.nbytes}
    del tensor.external_data[:]
    for key, value in place.items():
        tensor.external_data.add(key=key, value=str(value))
    file.write(data.data)


def _bytes(tensor: TensorProto, values: Mapping[str, Array]) -> Array:
    kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    value = contiguous(_value(tensor, values)).astype(kind, copy=False)
    return value.reshape(-1).view(np.uint8)  # not every type has a buffer of its own kind, but all are bytes


def _value(tensor: TensorProto, values: Mapping[str, Array]) -> Array:
    return values[tensor.name] if tensor.name in values else numpy_helper.to_array(tensor)


def contiguous(value: Array) -> Array:
    """As np.ascontiguousarray, which is slow for a transposed matrix; in strips it is ten times as fast."""
    if value.flags.c_contiguous or value.ndim != 2:
        return np.ascontiguousarray(value)
    found = np.empty(value.shape, value.dtype)
    for start in range(0, value.shape[1], STRIP):
        found[:, start : start + STRIP] = value[:, start : start + STRIP]
    return found


def _size(tensor: TensorProto) -> int:
    kind: np.dtype[Any] = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    return int(np.prod(tensor.dims)) * kind.itemsize


def engine_digest(folder: Path) -> str:
    """SHA-256 of what runs: the plan or package in a model's folder, else its graph."""
    for files in ((PLAN_FILE,), (PACKAGE_FILE, CONSTANTS_FILE)):
        if (folder / "1" / files[0]).is_file():
            return _digest(folder, *files)
    return graph_digest(folder)


def graph_digest(folder: Path) -> str:
    """SHA-256 of the graph's file and, where there is one, its weights' file, one after the other."""
    return _digest(folder, MODEL_FILE, WEIGHTS_FILE)


def _digest(folder: Path, *names: str) -> str:
    digest = hashlib.sha256()
    for name in names:
        path = folder / "1" / name
        if path.is_file():
            with path.open("rb") as file:
                while block := file.read(1 << 22):
                    digest.update(block)
    return digest.hexdigest()


def write_hashes(folder: Path, engine: str | None = None, **made_of: str) -> None:
    """`engine` (computed if not given), and what it was made of, if not of a checkpoint: `base` and `lora`;
    all of them SHA-256."""
    hashes = {"engine": engine or engine_digest(folder), **made_of}
    (folder / HASHES_FILE).write_text(json.dumps(hashes, indent=2) + "\n")


def read_engine_digest(folder: Path) -> str:
    """engine_digest as weights.json has it, which spares reading gigabytes; computed where there is none."""
    return _read_note(folder / HASHES_FILE, "engine") or engine_digest(folder)


def read_graph_digest(folder: Path) -> str:
    """The same of graph_digest."""
    return noted_graph_digest(folder) or graph_digest(folder)


def noted_graph_digest(folder: Path) -> str | None:
    """graph_digest as the export noted it; a plan's or package's record has it."""
    for engine, record in ((PLAN_FILE, PLAN_RECORD_FILE), (PACKAGE_FILE, PACKAGE_RECORD_FILE)):
        if (folder / "1" / engine).is_file():
            return _read_note(folder / record, "onnx_sha256")
    return _read_note(folder / HASHES_FILE, "engine")


def _read_note(path: Path, key: str) -> str | None:
    try:
        found = json.loads(path.read_bytes())[key]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def _worth_halving(tensor: onnx.TensorProto) -> bool:
    shape = tensor.dims
    return tensor.data_type == TensorProto.FLOAT and len(shape) > 1 and int(np.prod(shape)) >= SMALL
