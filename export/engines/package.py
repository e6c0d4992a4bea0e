"""A character of a model that runs as an AOTInductor package: the same package, and the weights that changed.

Needs numpy, onnx and safetensors only; nothing is compiled again.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from safetensors.numpy import save_file

from export.errors import ExportError
from export.graphs.rewrite import read_weight
from export.graphs.storage import CONSTANTS_FILE, MODEL_FILE, PACKAGE_FILE, PACKAGE_RECORD_FILE, graph_digest
from export.graphs.weight_names import parameter_of

PackageRecord = Mapping[str, Any]
NUMPY: Mapping[str, Any] = {
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
}


def write_record(model: Path, record: PackageRecord) -> None:
    whole = {**record, "onnx_sha256": graph_digest(model)}
    (model / PACKAGE_RECORD_FILE).write_text(json.dumps(whole, indent=2) + "\n")


def add_character_package(model: Path, base: Path, changed: Iterable[str]) -> None:
    """Puts the package of `base` and 1/weights.safetensors, from the merged graph, into a character's folder;
    nothing where `base` has no package. `changed`: paths of the layers that the LoRA changed.

    Raises ExportError where the record is not readable.
    """
    package = base / "1" / PACKAGE_FILE
    if not package.is_file():
        return
    record = _record(base)
    _link(package, model / "1" / PACKAGE_FILE)
    write_record(model, record)
    _write_weights(model, set(changed), str(record["weights"]))


def _record(base: Path) -> PackageRecord:
    try:
        record: dict[str, Any] = json.loads((base / PACKAGE_RECORD_FILE).read_bytes())
        NUMPY[record["weights"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise ExportError(f"{base / PACKAGE_RECORD_FILE} cannot be read: export the model again") from None
    return record


def _link(source: Path, target: Path) -> None:
    """Packages are never changed in place, so one file can be in many folders."""
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _write_weights(model: Path, changed: set[str], dtype: str) -> None:
    graph = onnx.load(os.fspath(model / "1" / MODEL_FILE), load_external_data=False).graph
    tensors = {}
    for initialiser in graph.initializer:
        name, transposed = parameter_of(initialiser.name)
        if name.removesuffix(".weight") not in changed:
            continue
        value = read_weight(model / "1", initialiser).astype(NUMPY[dtype], copy=False)
        tensors[name] = np.ascontiguousarray(value.T if transposed else value)
    target = model / "1" / CONSTANTS_FILE
    save_file(tensors, target, {"format": "pt"})
    target.chmod(0o644)  # the library keeps its files to their owner, who is not Triton's user
