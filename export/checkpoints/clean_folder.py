"""A network's folder as its loader may see it: a config of allowed keys, the weights, and nothing else.

diffusers and transformers read more than that: an adapter's config that leads to other folders, an index with
paths in it, generation settings, code. What they are given is a folder of our own, with links to the weights.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from contract.safetensors_header import BadSafetensors, SafetensorsHeader, read_header
from export.checkpoints.network_config import allowed_config
from export.errors import ExportError
from export.json_file import read_json

CONFIG_FILE = "config.json"
# What the two libraries call a file with all weights of a network.
TRANSFORMERS_FILE, DIFFUSERS_FILE = "model.safetensors", "diffusion_pytorch_model.safetensors"
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
MAX_GROWTH = 2  # a network that is whole has at most as many values as its files
SHARD_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}\.safetensors")


@dataclass(frozen=True)
class WeightFiles:
    paths: Mapping[str, Path]  # by the name that the loader looks for
    headers: Mapping[str, SafetensorsHeader]  # by the same

    @property
    def values(self) -> int:
        return sum(header.values for header in self.headers.values())


def read_config(folder: Path, network: str) -> dict[str, Any]:
    """`network`: its class. Raises ExportError."""
    path = folder / CONFIG_FILE
    return allowed_config(network, read_json(path), str(path))


def written_config(kind: Any, config: Mapping[str, Any]) -> str:
    """A config file of a network's class, which its library can read too. `config`: what is allowed."""
    if kind.__module__.startswith("diffusers"):
        named = {"_class_name": kind.__name__}
    else:
        named = {"architectures": [kind.__name__], "model_type": kind.config_class.model_type}
    return json.dumps({**named, **config}, indent=2) + "\n"


def find_weights(folder: Path, name: str) -> WeightFiles:
    """`name`: of a file that holds them all. Raises ExportError where there is none, or only pickles."""
    paths = _paths(folder, name)
    try:
        return WeightFiles(paths, {name: read_header(path) for name, path in paths.items()})
    except BadSafetensors as error:
        raise ExportError(f"Cannot read the weights in {folder}: {error}") from None
    except OSError as error:
        raise ExportError(f"Cannot read {error.filename}: {error.strerror}") from None


def check_size(folder: Path, empty: Any, weights: WeightFiles) -> None:
    """`empty`: the network, with shapes only. Loaders make room for what a config asks for before they see
    what is there. Raises ExportError."""
    wanted = sum(weight.numel() for weight in empty.parameters())
    if wanted > MAX_GROWTH * weights.values:
        held = f"its files hold {weights.values:,}"
        raise ExportError(f"{folder}: its config asks for {wanted:,} values, {held}")


@contextmanager
def clean_folder(kind: Any, config: Mapping[str, Any], weights: WeightFiles, name: str) -> Iterator[Path]:
    """For as long as the weights are loaded. `kind`: the network's class; `name` as of find_weights."""
    with TemporaryDirectory(prefix="imgen-") as made:
        folder = Path(made)
        (folder / CONFIG_FILE).write_text(written_config(kind, config))
        for file, path in weights.paths.items():
            (folder / file).symlink_to(path.resolve())
        if name not in weights.paths:
            places = {key: file for file, header in weights.headers.items() for key in header.shapes}
            index = {"metadata": {"total_size": 0}, "weight_map": places}
            (folder / f"{name}.index.json").write_text(json.dumps(index))
        yield folder


def _paths(folder: Path, name: str) -> dict[str, Path]:
    stem = name.removesuffix(".safetensors")
    for variant in ("", ".fp16"):
        whole = folder / f"{stem}{variant}.safetensors"
        if whole.exists():
            return {name: whole}
        for index in (f"{name}.index{variant}.json", f"{stem}{variant}.safetensors.index.json"):
            if (folder / index).exists():
                return _shards(folder / index)
    for path in sorted(folder.glob("*")):
        if path.suffix in PICKLES:
            raise ExportError(
                f"{path} is a pickle, which can run code when it is loaded; convert it to safetensors first"
            )
    raise ExportError(f"{folder} has no .safetensors weights: expected {name}")


def _shards(index: Path) -> dict[str, Path]:
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ExportError(f"{index} names no shards")
    shards = {}
    for shard in places.values():
        if not isinstance(shard, str) or not SHARD_NAME.fullmatch(shard):
            raise ExportError(f"{index} names {str(shard)[:80]!r} as a shard: expected a file beside it")
        shards[shard] = index.parent / shard
    return shards
