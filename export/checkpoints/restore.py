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
from collections.abc import Sequence
from dataclasses import dataclass
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

from export.checkpoints.checkpoint import NETWORKS, Checkpoint, empty_network
from export.checkpoints.scheduler import read_schedule
from export.errors import ExportError, told
from export.families.published import SD15, SDXL
from export.graphs.rewrite import array_of, place_of
from export.graphs.storage import MODEL_FILE, WEIGHTS_FILE
from export.graphs.weight_names import parameter_of
from export.repository.staging import publish, staging
from export.repository.triton_config import check_name


@dataclass(frozen=True)
class Component:
    """One folder of a checkpoint, and where its weights went."""

    name: str
    part: str
    prefix: str  # of its weights' names in the part's graph
    library: str

    @property
    def weights_file(self) -> str:
        return (
            "model.safetensors" if self.library == "transformers" else "diffusion_pytorch_model.safetensors"
        )


COMPONENTS = (
    Component("text_encoder", "text-encoder", "text_encoder.", "transformers"),
    Component("text_encoder_2", "text-encoder", "text_encoder_2.", "transformers"),
    Component("unet", "denoiser", "unet.", "diffusers"),
    Component("vae", "decoder", "", "diffusers"),
)
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
SCHEDULER = Path("checkpoint", "scheduler")


def restore_checkpoint(repository: Path, name: str, output: Path) -> Path:
    """Writes the folder `output`, which must not exist. Raises ExportError, with nothing written."""
    check_name(name)
    if output.exists():
        raise ExportError(f"{output} exists already")
    with staging(output.parent, output.name) as folder:
        new = folder / output.name
        components = _components(repository, name)
        for component in components:
            _restore(repository / f"{name}-{component.part}", component, new / component.name)
        _restore_tokenizers(repository, name, new)
        scheduler = repository / f"{name}-denoiser" / SCHEDULER
        shutil.copytree(scheduler, new / "scheduler")
        (new / "model_index.json").write_text(json.dumps(_index(new, components), indent=2) + "\n")
        publish(new, output)
    return output


def open_restored(repository: Path, name: str, scratch: Path) -> Checkpoint:
    """The same without a copy of the weights: they are views of the repository's files, in the type there.

    `scratch`: an empty folder, for the small files, that lasts as long as the checkpoint is used.
    """
    components = _components(repository, name)
    _restore_tokenizers(repository, name, scratch)
    schedule = read_schedule(repository / f"{name}-denoiser" / SCHEDULER / "scheduler_config.json")
    networks = {one.name: _view(repository / f"{name}-{one.part}", one) for one in components}
    networks.setdefault("text_encoder_2", None)
    return Checkpoint(folder=scratch, schedule=schedule, **networks)


def _components(repository: Path, name: str) -> list[Component]:
    """SD 1.5 has no second text encoder."""
    kept = repository / f"{name}-text-encoder" / "checkpoint" / "text_encoder_2"
    return [one for one in COMPONENTS if one.name != "text_encoder_2" or kept.is_dir()]


def _view(model: Path, component: Component) -> Any:
    network = empty_network(component.name, _config(model, component))
    weights = weights_of(model / "1")
    state = {
        key: _filled(weights.get(component.prefix + key), empty)
        for key, empty in network.state_dict().items()
    }
    network.load_state_dict(state, assign=True)
    for buffer in [key for key, value in network.named_buffers() if value.is_meta]:
        owner, _, last = buffer.rpartition(".")
        if last != "position_ids":
            raise ExportError(f"{component.name} has a buffer {buffer}, which no graph holds")
        module = network.get_submodule(owner)
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


def _config(model: Path, component: Component) -> Any:
    config = model / "checkpoint" / component.name / "config.json"
    if not config.is_file():
        raise ExportError(f"There is no {config}; only what this exporter wrote can be restored")
    return json.loads(config.read_bytes())


def _restore(model: Path, component: Component, target: Path) -> None:
    config = _config(model, component)
    weights = weights_of(model / "1")
    target.mkdir(parents=True)
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    state = {
        key: _filled(weights.get(component.prefix + key), empty).float().contiguous()
        for key, empty in empty_network(component.name, config).state_dict().items()
    }
    save_file(state, target / component.weights_file, metadata={"format": "pt"})


def _filled(value: npt.NDArray[np.generic] | None, empty: torch.Tensor) -> torch.Tensor:
    if value is None:
        return torch.zeros(empty.shape)
    shaped = value.reshape(empty.shape)
    if shaped.dtype == ml_dtypes.bfloat16:  # which torch does not take from numpy
        return torch.from_numpy(shaped.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(shaped)


def _restore_tokenizers(repository: Path, name: str, target: Path) -> None:
    pipeline = json.loads((repository / f"{name}-denoiser" / "pipeline.json").read_bytes())
    for tokenizer, pad in (("tokenizer", "pad_token"), ("tokenizer_2", "pad_token_2")):
        if pad not in pipeline:  # SD 1.5
            continue
        source = repository / f"{name}-text-encoder" / tokenizer / "tokenizer.json"
        (target / tokenizer).mkdir()
        shutil.copy(source, target / tokenizer)
        vocabulary = json.loads(source.read_bytes())
        words = {number: word for word, number in vocabulary["model"]["vocab"].items()}
        words |= {token["id"]: token["content"] for token in vocabulary["added_tokens"]}
        settings = {"pad_token": words[pipeline[pad]], "tokenizer_class": "PreTrainedTokenizerFast"}
        (target / tokenizer / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def _index(folder: Path, components: Sequence[Component]) -> dict[str, Any]:
    scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_bytes())
    return {
        "_class_name": (SDXL if (folder / "text_encoder_2").is_dir() else SD15).pipeline,
        **{part.name: [part.library, NETWORKS[part.name].__name__] for part in components},
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
        print(f"export: {told(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
