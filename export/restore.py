"""The way back: an exported model as a diffusers folder, from which it can be exported again.

python -m export.restore REPOSITORY --name eros --output FOLDER

An ONNX file holds every weight that its graph uses, under torch's name, so a repository needs no second copy
of the weights to be reproducible. What no graph uses (the VAE's encoder, the first text encoder's last layer)
comes back as zeros: the folder is good for export, not for training.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import save_file

from export.beside import publish, staging
from export.checkpoint import NETWORKS, empty_network
from export.config import check_name
from export.errors import ExportError, told
from export.families import SD15, SDXL
from export.names import parameter_of
from export.storage import MODEL_FILE, load_model


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
Weights = Mapping[str, npt.NDArray[np.generic]]


def restore_checkpoint(repository: Path, name: str, output: Path) -> Path:
    """Writes the folder `output`, which must not exist. Raises ExportError, with nothing written."""
    check_name(name)
    if output.exists():
        raise ExportError(f"{output} exists already")
    with staging(output.parent, output.name) as folder:
        new = folder / output.name
        kept = repository / f"{name}-text-encoder" / "checkpoint" / "text_encoder_2"
        components = [one for one in COMPONENTS if one.name != "text_encoder_2" or kept.is_dir()]
        for component in components:
            _restore(repository / f"{name}-{component.part}", component, new / component.name)
        _restore_tokenizers(repository, name, new)
        scheduler = repository / f"{name}-denoiser" / "checkpoint" / "scheduler"
        shutil.copytree(scheduler, new / "scheduler")
        (new / "model_index.json").write_text(json.dumps(_index(new, components), indent=2) + "\n")
        publish(new, output)
    return output


def weights_of(model: onnx.ModelProto) -> dict[str, npt.NDArray[np.generic]]:
    """Every named weight of a graph in fp32 under torch's name, the right way round; norms keep [C, 1, 1]."""
    weights = {}
    for tensor in model.graph.initializer:
        name, transposed = parameter_of(tensor.name)
        value = numpy_helper.to_array(tensor)
        if np.issubdtype(value.dtype, np.floating):
            weights[name] = (value.T if transposed else value).astype(np.float32)
    return weights


def _restore(model: Path, component: Component, target: Path) -> None:
    config = model / "checkpoint" / component.name / "config.json"
    if not config.is_file():
        raise ExportError(f"There is no {config}; only what this exporter wrote can be restored")
    weights = weights_of(load_model(model / "1" / MODEL_FILE))
    target.mkdir(parents=True)
    shutil.copy(config, target)
    state = {
        key: _filled(weights.get(component.prefix + key), empty)
        for key, empty in empty_network(component.name, json.loads(config.read_bytes())).state_dict().items()
    }
    save_file(state, target / component.weights_file, metadata={"format": "pt"})


def _filled(value: npt.NDArray[np.generic] | None, empty: torch.Tensor) -> torch.Tensor:
    if value is None:
        return torch.zeros(empty.shape)
    return torch.from_numpy(value.reshape(empty.shape)).contiguous()


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
        prog="python -m export.restore", description="Exported model → diffusers"
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
