"""The way back: an exported model as a diffusers folder, from which it can be exported again.

python -m export.checkpoints.restore REPOSITORY --name eros --output FOLDER

An ONNX file holds every weight that its graph uses, under torch's name, so a repository needs no second copy
of the weights to be reproducible. What no graph uses (the VAE's encoder, the first text encoder's last layer)
comes back as zeros: the folder is good for export, not for training.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, numpy_helper
from onnx.external_data_helper import uses_external_data
from safetensors.torch import save_file

from contract.description import BadDescription, Description, read_description
from contract.names import DECODER, DENOISER, network_name
from contract.repositories import DESCRIPTION_FILE, TOKENIZER_FILE
from export.checkpoints.checkpoint import Checkpoint
from export.checkpoints.clean_folder import CONFIG_FILE, read_config, written_config
from export.checkpoints.early_check import INDEX_FILE
from export.checkpoints.scheduler import read_diffusion
from export.errors import ExportError, print_error
from export.families.family import TorchFamily, torch_family
from export.graphs.rewrite import array_of, place_of
from export.graphs.storage import MODEL_FILE, WEIGHTS_FILE
from export.graphs.weight_names import parameter_of
from export.repository.staging import publish, staging
from export.repository.triton_config import check_name

FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
SCHEDULER = Path("checkpoint", "scheduler")


def restore_checkpoint(repository: Path, name: str, output: Path) -> Path:
    """Writes the folder `output`, which must not exist. Raises ExportError, with nothing written."""
    check_name(name)
    if output.exists():
        raise ExportError(f"{output} exists already")
    with staging(output.parent, output.name) as folder:
        new = folder / output.name
        description = _description(repository, name)
        family = torch_family(description.family)
        for network in family.networks:
            _restore(_home(repository, name, family, network), family, network, new / network)
        _restore_tokenizers(repository, name, description, new)
        shutil.copytree(repository / network_name(name, DENOISER) / SCHEDULER, new / "scheduler")
        (new / INDEX_FILE).write_text(json.dumps(_index(new, family), indent=2) + "\n")
        publish(new, output)
    return output


def view_exported(repository: Path, name: str, scratch: Path) -> Checkpoint:
    """The same without a copy of the weights: they are views of the repository's files, in the type there.

    `scratch`: an empty folder, for the small files, that lasts as long as the checkpoint is used.
    """
    description = _description(repository, name)
    family = torch_family(description.family)
    _restore_tokenizers(repository, name, description, scratch)
    scheduler = repository / network_name(name, DENOISER) / SCHEDULER / "scheduler_config.json"
    return Checkpoint(
        folder=scratch,
        family=family,
        networks={one: _view(_home(repository, name, family, one), family, one) for one in family.networks},
        diffusion=read_diffusion(scheduler, family.row),
    )


def _description(repository: Path, name: str) -> Description:
    try:
        return read_description(repository / network_name(name, DENOISER) / DESCRIPTION_FILE)
    except BadDescription as error:
        raise ExportError(f"{error}; only what this exporter wrote can be restored") from None


def _home(repository: Path, name: str, family: TorchFamily, network: str) -> Path:
    """Folder of the Triton model that a network of the checkpoint went into."""
    parts = {encoder.name: encoder.part for encoder in family.row.text_encoders}
    parts |= {family.row.denoiser: DENOISER, "vae": DECODER}
    return repository / network_name(name, parts[network])


def _prefix(network: str) -> str:
    """Of its weights' names in the graph."""
    return "" if network == "vae" else f"{network}."


def _view(model: Path, family: TorchFamily, name: str) -> Any:
    network = family.empty_network(name, _config(model, family, name))
    found = _find(weights_of(model / "1"), name, network)
    state = {key: _fill(found.get(key), empty) for key, empty in network.state_dict().items()}
    network.load_state_dict(state, assign=True)
    for buffer in [key for key, value in network.named_buffers() if value.is_meta]:
        owner, _, last = buffer.rpartition(".")
        module = network.get_submodule(owner)
        if last == "inv_freq":  # how fast a rotary embedding turns, by the config alone
            network.set_submodule(owner, type(module)(network.config))
            continue
        if last != "position_ids":
            raise ExportError(f"{name} has a buffer {buffer}, which no graph holds")
        shape = getattr(module, last).shape
        setattr(module, last, torch.arange(shape[-1]).expand(shape))
    return network.eval().requires_grad_(False)


def weights_of(folder: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Every named weight of a graph under torch's name, the right way round; norms keep [C, 1, 1].

    Views of the file of weights, where there is one.
    """
    model = onnx.load(folder / MODEL_FILE, load_external_data=False)
    path = folder / WEIGHTS_FILE
    mapped = np.memmap(path, np.uint8, mode="c") if path.is_file() else np.empty(0, np.uint8)
    weights = {}
    for tensor in model.graph.initializer:
        name, transposed = parameter_of(tensor.name)
        if uses_external_data(tensor):
            offset, length = place_of(tensor)
            value = array_of(tensor, mapped[offset : offset + length])
        else:
            value = numpy_helper.to_array(tensor).copy()  # torch takes none that is read-only
        if tensor.data_type in FLOATS:
            weights[name] = value.T if transposed else value
    return weights


def _config(model: Path, family: TorchFamily, network: str) -> dict[str, Any]:
    folder = model / "checkpoint" / network
    if not folder.is_dir():
        raise ExportError(f"There is no {folder}; only what this exporter wrote can be restored")
    return read_config(folder, family.networks[network].__name__)


def _restore(model: Path, family: TorchFamily, network: str, target: Path) -> None:
    config = _config(model, family, network)
    weights = weights_of(model / "1")
    target.mkdir(parents=True)
    (target / CONFIG_FILE).write_text(written_config(family.networks[network], config))
    empty = family.empty_network(network, config)
    found, alone = _find(weights, network, empty), dict(empty.named_parameters()).keys()
    state = {
        key: _fill(found.get(key), shape).float().contiguous()
        for key, shape in empty.state_dict().items()
        if key in alone or key in dict(empty.named_buffers())
    }
    save_file(state, target / family.weights_file(network), metadata={"format": "pt"})


def _find(
    weights: Mapping[str, npt.NDArray[np.generic]], name: str, network: Any
) -> dict[str, npt.NDArray[np.generic]]:
    """A graph's weights by their keys in the checkpoint's network. One that the network has under two names
    (T5's embeddings) has but one of them in the graph."""
    found = {}
    same: dict[int, list[str]] = {}
    for key, parameter in network.named_parameters(remove_duplicate=False):
        same.setdefault(id(parameter), []).append(key)
    shared = {key: names for names in same.values() for key in names}
    for key in network.state_dict():
        names = (_prefix(name) + one for one in shared.get(key, [key]))
        if held := next((one for one in names if one in weights), None):
            found[key] = weights[held]
    return found


def _fill(value: npt.NDArray[np.generic] | None, empty: torch.Tensor) -> torch.Tensor:
    if value is None:
        return torch.zeros(empty.shape)
    shaped = value.reshape(empty.shape)
    if shaped.dtype == ml_dtypes.bfloat16:  # which torch does not take from numpy
        return torch.from_numpy(shaped.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(shaped)


def _restore_tokenizers(repository: Path, name: str, description: Description, target: Path) -> None:
    for encoder, pad in zip(description.family.text_encoders, description.pad_tokens, strict=True):
        tokenizer = encoder.tokenizer
        source = repository / network_name(name, encoder.part) / tokenizer / TOKENIZER_FILE
        (target / tokenizer).mkdir()
        shutil.copy(source, target / tokenizer)
        words = _words(json.loads(source.read_bytes()))
        settings = {"pad_token": words[pad], "tokenizer_class": "PreTrainedTokenizerFast"}
        (target / tokenizer / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def _words(tokenizer: Mapping[str, Any]) -> dict[int, str]:
    """By their numbers; a vocabulary is an object of numbers, or a list of words and their chances."""
    vocabulary = tokenizer["model"]["vocab"]
    if isinstance(vocabulary, dict):
        words = {number: word for word, number in vocabulary.items()}
    else:
        words = {number: word for number, (word, _) in enumerate(vocabulary)}
    return words | {token["id"]: token["content"] for token in tokenizer["added_tokens"]}


def _index(folder: Path, family: TorchFamily) -> Mapping[str, Any]:
    scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_bytes())
    return {
        "_class_name": family.row.pipeline,
        "_name_or_path": family.row.title,
        **{name: [family.library(name), kind.__name__] for name, kind in family.networks.items()},
        **{
            path.name: ["transformers", "PreTrainedTokenizerFast"]
            for path in sorted(folder.glob("tokenizer*"))
        },
        "scheduler": ["diffusers", scheduler["_class_name"]],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(
        prog="python -m export.checkpoints.restore", description="Exported model → diffusers"
    )
    options.add_argument("repository", type=Path)
    options.add_argument("--name", required=True, help="the model's name, such as eros")
    options.add_argument("--output", required=True, type=Path, help="folder to make")
    given = options.parse_args(arguments)
    try:
        print(restore_checkpoint(given.repository, given.name, given.output))
    except (ExportError, OSError) as error:
        print_error(error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
