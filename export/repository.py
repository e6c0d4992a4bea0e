"""A checkpoint as the three models of a Triton repository."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from export.beside import publish, staging
from export.checkpoint import Checkpoint, open_checkpoint
from export.config import check_name, config_of
from export.names import name_weights
from export.networks import Network, networks_of
from export.plan import TIMING_CACHE, Recipe, Wish, add_plan, load_builder
from export.progress import stages
from export.storage import MODEL_FILE, Storage, load_model, save_model, store_fp16, write_hashes
from export.tokens import ClipTokenizer, open_tokenizer
from export.trace import declare_outputs, trace

Engine = Literal["onnx", "tensorrt"]
STAGES = ("load checkpoint", "text-encoder", "denoiser", "decoder", "publish")


def export_checkpoint(
    checkpoint: Path,
    name: str,
    output: Path,
    storage: Storage = "fp16",
    engine: Engine = "onnx",
    wish: Wish = Wish(),  # noqa: B008, frozen
) -> list[Path]:
    """Writes {name}-text-encoder, {name}-denoiser and {name}-decoder into `output`, replacing older ones.

    With the engine `tensorrt` they hold plans too, good for what `wish` says. Returns their folders. Raises
    ExportError, with nothing written.
    """
    check_name(name)
    if engine == "tensorrt":
        load_builder()  # better refused now than after an hour
    with stages(f"Export {name}", len(STAGES)) as step, staging(output, name) as folder:
        step(STAGES[0])
        opened = open_checkpoint(checkpoint)
        tokenizers = _open_tokenizers(opened)
        for network in networks_of(opened):
            step(network.part.name)
            model = folder / f"{name}-{network.part.name}"
            _write_part(model, network, opened, storage)
            if engine == "tensorrt":
                add_plan(model, Recipe.of(network.part, wish, opened.downscale), output / TIMING_CACHE)
        step(STAGES[-1])
        for tokenizer_name, tokenizer in tokenizers.items():
            tokenizer.save(folder / f"{name}-text-encoder" / tokenizer_name)
        write_hashes(folder / f"{name}-denoiser")
        description = json.dumps(_pipeline(opened, tokenizers), indent=2)
        (folder / f"{name}-denoiser" / "pipeline.json").write_text(description + "\n")
        return list(_publish_all(folder, output))


def _open_tokenizers(checkpoint: Checkpoint) -> dict[str, ClipTokenizer]:
    encoders = {"tokenizer": checkpoint.text_encoder, "tokenizer_2": checkpoint.text_encoder_2}
    return {
        name: open_tokenizer(checkpoint.folder / name, encoder.config) for name, encoder in encoders.items()
    }


def _write_part(folder: Path, network: Network, checkpoint: Checkpoint, storage: Storage) -> None:
    """The model's folder, and the configs of the checkpoint that it was made of, which restore.py reads."""
    traced = folder / "traced.tmp"
    traced.mkdir(parents=True)
    trace(network.module, network.part, traced / MODEL_FILE)
    model = load_model(traced / MODEL_FILE)
    shutil.rmtree(traced)
    declare_outputs(model, network.part)
    weights = {name: tensor.numpy() for name, tensor in network.module.named_parameters()}
    name_weights(model, weights, required=set(weights) if network.all_used else set())
    if storage == "fp16":
        store_fp16(model)
    save_model(model, folder / "1")
    (folder / "config.pbtxt").write_text(config_of(folder.name, network.part))
    for source in network.sources:
        kept = folder / "checkpoint" / source
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(checkpoint.folder / source, kept)


def _pipeline(checkpoint: Checkpoint, tokenizers: dict[str, ClipTokenizer]) -> dict[str, object]:
    """What text_to_image must know of a model beyond its tensors."""
    return {
        "format": 1,
        "prediction": checkpoint.schedule.prediction,
        "sigmas": checkpoint.schedule.sigmas(),
        "init_noise": "flow" if checkpoint.schedule.prediction == "flow" else "sigma",
        "latent_channels": checkpoint.channels,
        "downscale": checkpoint.downscale,
        "pad_token": tokenizers["tokenizer"].pad,
        "pad_token_2": tokenizers["tokenizer_2"].pad,
        "token_window": checkpoint.window,
    }


def _publish_all(folder: Path, output: Path) -> Iterator[Path]:
    for part in sorted(folder.iterdir()):
        publish(part, output / part.name)
        yield output / part.name
