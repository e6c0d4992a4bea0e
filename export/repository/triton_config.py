"""Triton's config.pbtxt of one part, written from its declaration."""

import re
from dataclasses import replace
from pathlib import Path

from contract.description import read_description
from contract.limits import MAX_BATCH, MAX_ENGINE_WINDOWS
from contract.names import NAME, NAME_WORDS
from contract.parts import ModelPart, TensorSpec
from contract.repositories import DESCRIPTION_FILE
from export.errors import ExportError
from frontend.common.atomic_write import atomic_write


def check_name(name: str) -> str:
    """A model's or character's name: it becomes a folder and, joined by dashes, a Triton model."""
    if not NAME.fullmatch(name):
        raise ExportError(f"Invalid name {name!r}: expected {NAME_WORDS}")
    return name


def config_of(model: str, part: ModelPart) -> str:
    """`model` is the Triton model's name (eros-denoiser), which is its folder's name too."""
    return "\n".join(
        (
            f'name: "{model}"',
            'backend: "onnxruntime"',
            f"max_batch_size: {MAX_BATCH}",
            f"input [\n{_tensors(part.inputs)}\n]",
            f"output [\n{_tensors(part.outputs)}\n]",
            f"dynamic_batching {{ max_queue_delay_microseconds: {part.queue_delay_us} }}",
            "instance_group [ { count: 1, kind: KIND_AUTO } ]",
            "",
        )
    )


def rename_config(config: str, model: str) -> str:
    """The same config for a model of another name: a character's denoiser differs in weights only."""
    text, count = re.subn(r'^name: "[^"]*"$', f'name: "{model}"', config, count=1, flags=re.MULTILINE)
    if not count:
        raise ExportError("The base model's config.pbtxt has no line that names it")
    return text


def for_engine(config: str, backend: str, batch: int, group: str) -> str:
    """The same config for another of Triton's backends. `batch`: the largest that it takes."""
    lines = {
        r'backend: "[^"]*"': f'backend: "{backend}"',
        r"max_batch_size: \d+": f"max_batch_size: {batch}",
        r"instance_group .*": f"instance_group [ {group} ]",
    }
    for line, new in lines.items():
        config, count = re.subn(rf"^{line}$", new, config, count=1, flags=re.MULTILINE)
        if not count:
            raise ExportError(f"The model's config.pbtxt has no line like {new!r}")
    return config


def bound_windows(model: Path) -> None:
    """Tells text_to_image how long a prompt the engine takes. A new file: the old one may be a hard link."""
    path = model / DESCRIPTION_FILE
    if path.is_file():
        description = replace(read_description(path), max_windows=MAX_ENGINE_WINDOWS)
        atomic_write(path, description.to_json())


def _tensors(tensors: tuple[TensorSpec, ...]) -> str:
    return ",\n".join(
        f'  {{ name: "{tensor.name}", data_type: TYPE_{tensor.dtype}, dims: [ {_dims(tensor)} ] }}'
        for tensor in tensors
    )


def _dims(tensor: TensorSpec) -> str:
    return ", ".join("-1" if isinstance(dim, str) else str(dim) for dim in tensor.dims)
