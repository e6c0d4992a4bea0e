"""How an ONNX file keeps its weights: type, and one file or two. Needs numpy and onnx only."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

Storage = Literal["fp16", "fp32"]

# protobuf cannot hold 2 GiB; above this, weights go into model.onnx.data beside the graph.
ONE_FILE_BYTES = 1_800_000_000
SMALL = 1024  # elements; below, and for vectors, half the size is not worth the rounding
LARGEST_FP16 = float(np.finfo(np.float16).max)
MODEL_FILE = "model.onnx"
WEIGHTS_FILE = "model.onnx.data"
PLAN_FILE = "model.plan"
PACKAGE_FILE, CONSTANTS_FILE = "model.pt2", "weights.safetensors"  # the second is a character's own
HASHES_FILE = "weights.json"
"""Beside config.pbtxt. `text_to_image` tells it with every picture, whose credentials name its weights."""


def store_fp16(model: onnx.ModelProto) -> None:
    """Keeps matrices and kernels as fp16, each cast to fp32 where it is used.

    onnxruntime folds the casts when it loads the file, so it computes in fp32 as before. A weight with a
    value that fp16 cannot hold stays fp32.
    """
    graph = model.graph
    casts = {}
    for tensor in graph.initializer:
        if _worth_halving(tensor):
            value = numpy_helper.to_array(tensor)
            if float(np.abs(value).max()) <= LARGEST_FP16:
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


class Weights:
    """Reads and writes a graph's initialisers where they are: in the graph itself, or in the file beside it.

    A tensor in the file is changed there, in place, so that one tensor at a time is in memory.
    """

    def __init__(self, folder: Path) -> None:
        """`folder`: where model.onnx is, or will be."""
        self._path = folder / WEIGHTS_FILE

    def read(self, tensor: TensorProto) -> npt.NDArray[np.generic]:
        if not uses_external_data(tensor):
            value: npt.NDArray[np.generic] = numpy_helper.to_array(tensor)
            return value
        with self._path.open("rb") as file:
            place = ExternalDataInfo(tensor)
            file.seek(place.offset)
            data = file.read(place.length)
        flat: npt.NDArray[np.generic] = np.frombuffer(data, helper.tensor_dtype_to_np_dtype(tensor.data_type))
        return flat.reshape(tuple(tensor.dims))

    def write(self, tensor: TensorProto, value: npt.NDArray[np.generic]) -> None:
        """`value` has the tensor's own type and shape, so it takes the same place."""
        if not uses_external_data(tensor):
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
            return
        with self._path.open("r+b") as file:
            file.seek(ExternalDataInfo(tensor).offset)
            file.write(np.ascontiguousarray(value).tobytes())


def copy_model(source: Path, folder: Path) -> onnx.ModelProto:
    """The graph of `source`, whose large weights are now in a copy of their file in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    if (source / WEIGHTS_FILE).is_file():
        shutil.copyfile(source / WEIGHTS_FILE, folder / WEIGHTS_FILE)
    return onnx.load(source / MODEL_FILE, load_external_data=False)


def save_model(model: onnx.ModelProto, folder: Path, one_file_bytes: int = ONE_FILE_BYTES) -> None:
    """Writes `folder`/model.onnx and, for large models, model.onnx.data."""
    folder.mkdir(parents=True, exist_ok=True)
    large = sum(len(tensor.raw_data) for tensor in model.graph.initializer) > one_file_bytes
    onnx.save_model(
        model,
        os.fspath(folder / MODEL_FILE),
        save_as_external_data=large,
        location=WEIGHTS_FILE,
        size_threshold=SMALL,
    )


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


def write_hashes(folder: Path, **made_of: str) -> None:
    """`engine`, and what it was made of, if not of a checkpoint: `base` and `lora`; all of them SHA-256."""
    hashes = {"engine": engine_digest(folder), **made_of}
    (folder / HASHES_FILE).write_text(json.dumps(hashes, indent=2) + "\n")


def _worth_halving(tensor: onnx.TensorProto) -> bool:
    shape = tensor.dims
    return tensor.data_type == TensorProto.FLOAT and len(shape) > 1 and int(np.prod(shape)) >= SMALL
