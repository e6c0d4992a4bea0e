"""A checkpoint as the three models of a Triton repository."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from export.checkpoints.checkpoint import Checkpoint, open_checkpoint
from export.checkpoints.scheduler import Prediction
from export.checkpoints.single_file import unpack
from export.checkpoints.tokenizer import ClipTokenizer, open_tokenizer
from export.engines.kinds import KINDS, EngineName, Order
from export.engines.recipe import Wish
from export.errors import ExportError
from export.graphs.storage import Storage, save_model, store_fp16, write_hashes
from export.graphs.weight_names import name_weights
from export.networks.networks import Network, network_of, networks_of
from export.networks.precision import LIMITS, Precision, cast, precision_of
from export.networks.trace import declare_outputs, trace, weights_of
from export.parity.comparison import compare, not_compared
from export.progress_bars import stages
from export.repository.finished_stages import Work, digests, key
from export.repository.staging import publish, staging
from export.repository.triton_config import check_name, config_of

PARTS = ("text-encoder", "denoiser", "decoder")
STAGES = ("read checkpoint", *PARTS, "compare with torch", "publish")
REPORTS = ".reports"  # in the repository; Triton loads nothing of it


@dataclass(frozen=True, kw_only=True)
class Options:
    storage: Storage = "fp16"  # of the weights of networks that compute in fp32
    precision: Precision = "fp32"
    engine: EngineName = "onnx"
    wish: Wish = field(default_factory=Wish)
    like: Path | None = None  # configs and tokenizers for a single file that is no published SDXL or SD 1.5
    prediction: Prediction | None = None  # of a single file that does not say

    @property
    def stored(self) -> str:
        """Type of the weights that run; a package keeps those that it computes with."""
        if self.precision == "fp32" and self.engine == "inductor":
            return "fp32"
        return self.storage if self.precision == "fp32" else self.precision


@dataclass(frozen=True)
class Export:
    """One run, and what its stages share."""

    checkpoint: Path  # in diffusers' layout
    sources: Mapping[str, str]
    name: str
    output: Path
    options: Options
    work: Work

    @cached_property
    def opened(self) -> Checkpoint:
        """When the first stage needs it, if any does. What casts its weights opens its own."""
        return open_checkpoint(self.checkpoint, as_stored=True)

    def reference(self, part: str) -> Network:
        return network_of(open_checkpoint(self.checkpoint, as_stored=True), part)

    def key(self, part: str, **more: Any) -> str:
        options = {**asdict(self.options), "like": None}
        return key(part=part, sources=dict(self.sources), options=options, name=self.name, **more)

    def network(self, number: int) -> Network:
        """In the precision asked for. Casting changes a network, so each has its own checkpoint."""
        opened = open_checkpoint(self.checkpoint, as_stored=True)
        network = list(networks_of(opened))[number]
        upcast = bool(opened.vae.config.force_upcast)
        cast(network.module, precision_of(network.part.name, self.options.precision, upcast))
        return network

    def part(self, number: int) -> Path:
        """Its graph and, with another engine than onnx, that, each a stage of its own."""
        part, kind = PARTS[number], KINDS[self.options.engine]
        graph = f"{self.key(part)}-graph" if self.options.engine != "onnx" else self.key(part)

        def make_graph(folder: Path) -> None:
            _write_part(folder, self.network(number), self.opened, self.options)

        def make_engine(folder: Path) -> None:
            made = self.work.stage(part, graph, make_graph)
            shutil.copytree(made, folder, copy_function=os.link, dirs_exist_ok=True)
            for file in ("config.pbtxt", "weights.json", "export.json"):  # changed here, so not the same file
                if (folder / file).exists():
                    (folder / file).unlink()
                    shutil.copy(made / file, folder / file)
            order = Order(
                network=self.network(number),
                downscale=self.opened.downscale,
                wish=self.options.wish,
                repository=self.output,
            )
            kind.add(folder, order)
            if part == "denoiser":
                write_hashes(folder)

        if self.options.engine == "onnx":
            return self.work.stage(part, graph, make_graph)
        return self.work.stage(part, self.key(part, made_by=dict(kind.made_by())), make_engine)


def export_checkpoint(checkpoint: Path, name: str, output: Path, options: Options = Options()) -> list[Path]:
    """Writes {name}-text-encoder, {name}-denoiser and {name}-decoder into `output`, replacing older ones.

    `checkpoint` is a folder in diffusers' layout or a single .safetensors file, of SDXL or SD 1.5. With the
    engine `tensorrt` or `inductor` there are plans or packages, good for what `options.wish` says. Nothing
    is published that does not draw as torch does. Stages that an earlier run finished are not run again.
    Returns the folders. Raises ExportError, with nothing published.
    """
    check_name(name)
    if options.precision == "bf16" and options.engine == "onnx":
        raise ExportError("onnxruntime cannot compute in bfloat16; take fp16 or fp32, or --engine tensorrt")
    KINDS[options.engine].made_by()  # better refused now than after an hour
    work = Work(output, name)
    with stages(f"Export {name}", len(STAGES)) as step:
        step(STAGES[0])
        export = _read(checkpoint, name, output, options, work)
        made = {}
        for number, part in enumerate(PARTS):
            step(part)
            made[part] = export.part(number)
        step(STAGES[-2])
        if any(folder.parent != output for folder in made.values()):
            _check(export, made)
        step(STAGES[-1])
        published = [output / f"{name}-{part}" for part in sorted(PARTS)]
        for folder in published:
            new = made[folder.name.removeprefix(f"{name}-")]
            if new != folder:
                publish(new, folder)
        work.finish()
        return published


def _read(checkpoint: Path, name: str, output: Path, options: Options, work: Work) -> Export:
    sources = digests(checkpoint)
    if checkpoint.is_file():
        like = digests(options.like) if options.like else {}
        found = key(part="checkpoint", sources=dict(sources), like=dict(like), prediction=options.prediction)

        def make(folder: Path) -> None:
            unpack(checkpoint, folder, options.like, options.prediction)

        sources = {"file": found}
        checkpoint = work.stage("checkpoint", found, make)
    return Export(checkpoint, sources, name, output, options, work)


def _tokenizers(checkpoint: Checkpoint) -> dict[str, ClipTokenizer]:
    return {
        name: open_tokenizer(checkpoint.folder / name, encoder.config)
        for name, encoder in checkpoint.tokenizers.items()
    }


def _write_part(folder: Path, network: Network, checkpoint: Checkpoint, options: Options) -> None:
    """The model's folder, and the configs of the checkpoint that it was made of, which restore.py reads."""
    precision = precision_of(network.part.name, options.precision, bool(checkpoint.vae.config.force_upcast))
    tokenizers = _tokenizers(checkpoint)
    model = trace(network.module, network.part)
    declare_outputs(model, network.part)
    required = {name for name, _ in network.module.named_parameters()} if network.all_used else set()
    weights = name_weights(model, weights_of(network.module), required)
    if precision == "fp32" and options.storage == "fp16":
        store_fp16(model, weights)
    save_model(model, folder / "1", weights)
    (folder / "config.pbtxt").write_text(config_of(folder.name, network.part))
    for source in network.sources:
        kept = folder / "checkpoint" / source
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(checkpoint.folder / source, kept)
    if network.part.name == "text-encoder":
        for name, tokenizer in tokenizers.items():
            tokenizer.save(folder / name)
    if network.part.name == "denoiser":
        write_hashes(folder)
        description = json.dumps(_pipeline(checkpoint, tokenizers), indent=2)
        (folder / "pipeline.json").write_text(description + "\n")


def _check(export: Export, made: Mapping[str, Path]) -> None:
    """Raises ExportError if the parts do not draw as torch does; the report stays either way."""
    options = export.options
    checkpoint = export.opened
    limit = LIMITS[options.precision, options.stored]
    with staging(export.output / REPORTS, export.name) as folder:
        new = folder / export.name
        new.mkdir()
        if options.precision == "bf16" and options.engine != "inductor":
            report = not_compared(limit, new, "onnxruntime has no bfloat16 convolution")
        else:
            report = compare(made, checkpoint, _tokenizers(checkpoint), limit, new, export.reference)
        target = (
            export.output / REPORTS / (export.name if report.failure is None else f"{export.name}-failed")
        )
        publish(new, target)
    if report.failure is not None:
        raise ExportError(f"{export.name} does not draw as torch does: {report.failure}; see {target}")


def _pipeline(checkpoint: Checkpoint, tokenizers: Mapping[str, ClipTokenizer]) -> dict[str, object]:
    """What text_to_image must know of a model beyond its tensors. SD 1.5 has no second pad token."""
    return {
        "format": 1,
        "prediction": checkpoint.schedule.prediction,
        "sigmas": checkpoint.schedule.sigmas(),
        "init_noise": "flow" if checkpoint.schedule.prediction == "flow" else "sigma",
        "latent_channels": checkpoint.channels,
        "downscale": checkpoint.downscale,
        **{name.replace("tokenizer", "pad_token"): one.pad for name, one in tokenizers.items()},
        "token_window": checkpoint.window,
    }
