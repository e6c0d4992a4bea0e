"""A checkpoint as the models of a Triton repository, one for each part."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from contract.bank import BANK_FILE, BankSize, with_bank
from contract.description import Description
from contract.families import FAMILIES, Family
from contract.names import DENOISER, network_name
from contract.repositories import CONFIG_FILE, DESCRIPTION_FILE, HASHES_FILE
from contract.samplers import USUAL, Sampling
from export.checkpoints.checkpoint import Checkpoint, open_checkpoint
from export.checkpoints.clean_folder import read_config, written_config
from export.checkpoints.early_check import check_early, family_of_checkpoint
from export.checkpoints.schedule_choice import (
    NO_OPTIONS,
    ScheduleChoice,
    ScheduleOptions,
    schedule_of_folder,
)
from export.checkpoints.scheduler import scheduler_config
from export.checkpoints.single_file import replace_vae, schedule_of_file, unpack
from export.checkpoints.tokenizer import Tokenizers, open_tokenizers
from export.distilled import distill, schedule_of_distilled
from export.engines.kinds import KINDS, EngineName, EngineOrder
from export.engines.recipe import EngineOptions
from export.errors import ExportError
from export.graphs.bank import take_bank
from export.graphs.storage import Storage, save_model, store_fp16, write_hashes
from export.graphs.weight_names import name_weights
from export.lora.lora_file import read_lora
from export.networks.networks import Network, networks_of
from export.networks.precision import LIMITS, Precision, cast, precision_of
from export.networks.trace import declare_outputs, trace, weights_of
from export.parity.comparison import compare, report_not_compared
from export.parity.witness import Witness, read_witness, witness_of
from export.progress_bars import print_line, stages
from export.repository.finished_stages import KEY_FILE, FinishedStages, digests, key
from export.repository.staging import publish, staging
from export.repository.triton_config import check_name, config_of

READ, COMPARE, PUBLISH = "read checkpoint", "compare with torch", "publish"
REPORTS = ".reports"  # in the repository; Triton loads nothing of it


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    storage: Storage = "fp16"  # of the weights of networks that compute in fp32
    precision: Precision = "fp32"
    engine: EngineName = "onnx"
    engine_options: EngineOptions = field(default_factory=EngineOptions)
    like: Path | None = None  # configs and tokenizers of a single file
    schedule: ScheduleOptions = NO_OPTIONS  # in place of what the checkpoint says
    vae: Path | None = None  # in place of the checkpoint's own
    text_encoders: tuple[Path, ...] = ()  # files of those that a single file lacks
    adapters: BankSize | None = None  # a bank for LoRAs, in the denoiser and the text encoder
    distilled: Path | None = None  # a LoRA of few steps, that the whole model is changed by

    @property
    def stored(self) -> str:
        """Type of the weights that run; a package keeps those that it computes with."""
        if self.precision == "fp32" and self.engine == "inductor":
            return "fp32"
        return self.storage if self.precision == "fp32" else self.precision

    def precision_of(self, part: str, family: Family, upcast: bool) -> Precision:
        return precision_of(part, self.precision, upcast, family, self.engine)


@dataclass(frozen=True)
class Export:
    """One run, and what its stages share."""

    checkpoint: Path  # in diffusers' layout
    sources: Mapping[str, str]
    name: str
    output: Path
    options: ExportOptions
    work: FinishedStages
    choice: ScheduleChoice
    family: Family
    original: Path  # as it was given

    @cached_property
    def opened(self) -> Checkpoint:
        """When the first stage needs it, if any does. What casts its weights opens its own."""
        return self._open(looked_at=False)

    def open(self) -> Checkpoint:
        return self._open(looked_at=bool(self.opened))  # by which its values are known to be numbers

    def _open(self, *, looked_at: bool) -> Checkpoint:
        opened = open_checkpoint(
            self.checkpoint, as_stored=True, diffusion=self.choice.diffusion, looked_at=looked_at
        )
        if self.options.distilled:
            distill(self.options.distilled, opened)
        return opened

    @property
    def witness(self) -> Witness:
        return read_witness(self.original, self.options.like, self.choice.imposed, self.family)

    def reference(self, part: str) -> Network:
        return witness_of(self.open(), part, self.witness)

    def key(self, part: str, **more: Any) -> str:
        options = {**asdict(self.options), "like": None, "vae": None}
        del options["text_encoders"]
        if distilled := options.pop("distilled"):
            more["distilled"] = dict(digests(distilled))
        if self.options.adapters is None:
            del options["adapters"]  # an export without is what it was before there were any
        if self.options.schedule.sampler is None:
            options["schedule"] = {**options["schedule"]}
            del options["schedule"]["sampler"]
        more["schedule"] = scheduler_config(self.choice.diffusion)
        more |= _told_by_name(self.family)
        if self.choice.sampling != USUAL:
            more["sampling"] = asdict(self.choice.sampling)
        return key(part=part, sources=dict(self.sources), options=options, name=self.name, **more)

    def network(self, part: str) -> Network:
        """In the precision asked for. Casting changes a network, so each has its own checkpoint."""
        opened = self.open()
        adapters = self.options.adapters
        networks = networks_of(opened, adapters.rank if adapters else 0)
        network = next(one for one in networks if one.part.name == part)
        upcast = bool(opened.vae.config.force_upcast)
        cast(network.module, self.options.precision_of(part, self.family, upcast))
        return network

    def looser_limits(self) -> dict[str, float]:
        """Of parts that compute with fewer digits than the others: what their mean error may be."""
        upcast = bool(self.opened.vae.config.force_upcast)
        kinds = {
            part: self.options.precision_of(part, self.family, upcast) for part in self.family.part_names
        }
        few = LIMITS["bf16", "bf16"].mean
        return {part: few for part, kind in kinds.items() if kind == "bf16" != self.options.precision}

    def part(self, part: str) -> Path:
        """Its graph and, with another engine than onnx, that, each a stage of its own."""
        kind = KINDS[self.options.engine]
        graph = f"{self.key(part)}-graph" if self.options.engine != "onnx" else self.key(part)

        def make_graph(folder: Path) -> None:
            _write_part(folder, self.network(part), self.opened, self.options, self.choice.sampling)

        def make_engine(folder: Path) -> None:
            made = self.work.stage(part, graph, make_graph)
            shutil.copytree(made, folder, copy_function=os.link, dirs_exist_ok=True)
            for file in (CONFIG_FILE, HASHES_FILE, KEY_FILE):  # changed here, so not the same file
                if (folder / file).exists():
                    (folder / file).unlink()
                    shutil.copy(made / file, folder / file)
            order = EngineOrder(
                network=self.network(part),
                downscale=self.opened.downscale,
                engine_options=self.options.engine_options,
                repository=self.output,
            )
            kind.add(folder, order)
            if part == DENOISER:
                write_hashes(folder)

        if self.options.engine == "onnx":
            return self.work.stage(part, graph, make_graph)
        return self.work.stage(
            part, self.key(part, describe_builder=dict(kind.describe_builder())), make_engine
        )


def export_checkpoint(
    checkpoint: Path, name: str, output: Path, options: ExportOptions = ExportOptions()
) -> list[Path]:
    """Writes {name}-text-encoder, {name}-denoiser, {name}-decoder and what else its family has into `output`,
    replacing older ones.

    `checkpoint` is a folder in diffusers' layout or a single .safetensors file, of a known family. With the
    engine `tensorrt` or `inductor` there are plans or packages, good for what `engine_options` says. Nothing
    is published that does not draw as torch does. Stages that an earlier run finished are not run again.
    Returns the folders. Raises ExportError, with nothing published.
    """
    check_name(name)
    if options.precision == "bf16" and options.engine == "onnx":
        raise ExportError("onnxruntime cannot compute in bfloat16; take fp16 or fp32, or --engine tensorrt")
    if options.adapters and (options.engine != "onnx" or options.precision != "fp32"):
        raise ExportError(
            "--adapters makes networks that our own backend serves on a CPU, in fp32: leave out --engine and "
            "--precision, or --adapters; characters of other engines are merged"
        )
    KINDS[options.engine].describe_builder()  # better refused now than after an hour
    choice = _choose(checkpoint, options)
    for line in choice.lines:
        print_line(f"Export {name}: {line}")
    family = family_of_checkpoint(checkpoint, options.text_encoders)
    if options.precision == "fp16" and family.overflows:
        raise ExportError(f"{family.title} overflows in fp16: take --precision bf16 or fp32")
    work = FinishedStages(output, name)
    with stages(f"Export {name}", len((READ, *family.part_names, COMPARE, PUBLISH))) as step:
        step(READ)
        export = _read(checkpoint, name, output, options, work, choice, family)
        made = {}
        for part in family.part_names:
            step(part)
            made[part] = export.part(part)
        step(COMPARE)
        if any(folder.parent != output for folder in made.values()):
            _check(export, made)
        step(PUBLISH)
        published = {part: output / network_name(name, part) for part in sorted(family.part_names)}
        for part, folder in published.items():
            if made[part] != folder:
                publish(made[part], folder)
        work.finish()
        return list(published.values())


def _choose(checkpoint: Path, options: ExportOptions) -> ScheduleChoice:
    """Raises ExportError for a file that is refused, too."""
    check_early(checkpoint, options.vae, options.text_encoders)
    schedule = options.schedule
    if options.distilled:
        if not options.distilled.is_file():
            raise ExportError(f"There is no {options.distilled}")
        read_lora(options.distilled)  # better refused now than after an hour
        schedule = schedule_of_distilled(options.distilled, schedule)
    if checkpoint.is_dir():
        return schedule_of_folder(checkpoint, schedule)
    return schedule_of_file(checkpoint, options.like, schedule, options.text_encoders)


def _read(
    checkpoint: Path,
    name: str,
    output: Path,
    options: ExportOptions,
    work: FinishedStages,
    choice: ScheduleChoice,
    family: Family,
) -> Export:
    original, sources = checkpoint, digests(checkpoint)
    if checkpoint.is_file() or options.vae:
        others: dict[str, Any] = {
            what: dict(digests(path)) for what in ("like", "vae") if (path := getattr(options, what))
        }
        if options.text_encoders:
            others["text_encoders"] = [dict(digests(path)) for path in options.text_encoders]
        schedule = scheduler_config(choice.diffusion)
        others |= _told_by_name(family)
        found = key(part="checkpoint", sources=dict(sources), schedule=schedule, **others)

        def make(folder: Path) -> None:
            """Opened as soon as it is there, so that nothing is left of what cannot be used."""
            if options.vae and original.is_dir():
                replace_vae(original, folder, options.vae)
            else:
                texts = options.text_encoders
                unpack(original, folder, options.like, options.schedule, options.vae, texts)
            try:
                open_tokenizers(open_checkpoint(folder, as_stored=True, diffusion=choice.diffusion))
            except ExportError as error:
                raise ExportError(str(error).replace(str(folder), str(original))) from None

        sources = {"file": found}
        checkpoint = work.stage("checkpoint", found, make)
    return Export(checkpoint, sources, name, output, options, work, choice, family, original)


def _told_by_name(family: Family) -> dict[str, str]:
    """The family, where the same files under another name would be of another one."""
    told = any(one.named and one.pipeline == family.pipeline for one in FAMILIES)
    return {"family": family.name} if told else {}


def _write_part(
    folder: Path, network: Network, checkpoint: Checkpoint, options: ExportOptions, sampling: Sampling
) -> None:
    """The model's folder, and the configs of the checkpoint that it was made of, which restore.py reads."""
    upcast = bool(checkpoint.vae.config.force_upcast)
    precision = options.precision_of(network.part.name, checkpoint.family.row, upcast)
    tokenizers = open_tokenizers(checkpoint)
    model = trace(network.module, network.part)
    declare_outputs(model, network.part)
    required = {name for name, _ in network.module.named_parameters()} if network.all_used else set()
    bank = take_bank(model, options.adapters) if options.adapters else None
    weights = name_weights(model, weights_of(network.module), required)
    if precision == "fp32" and options.storage == "fp16":
        store_fp16(model, weights)
    save_model(model, folder / "1", weights)
    served = with_bank(network.part) if bank and bank.tables else network.part
    (folder / CONFIG_FILE).write_text(config_of(folder.name, served))
    if bank and bank.tables:
        (folder / BANK_FILE).write_bytes(bank.to_json())
    for source in network.sources:
        kept = folder / "checkpoint" / source
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(_source(checkpoint, source))
    for encoder, tokenizer in tokenizers.items():
        if encoder.part == network.part.name:
            tokenizer.save(folder / encoder.tokenizer)
    if network.part.name == DENOISER:
        write_hashes(folder)
        (folder / DESCRIPTION_FILE).write_bytes(_description(checkpoint, tokenizers, sampling).to_json())


def _source(checkpoint: Checkpoint, file: str) -> str:
    """A config as it was understood; what else a stranger wrote into it stays behind."""
    folder = Path(file).parent.name
    if kind := checkpoint.family.networks.get(folder):
        return written_config(kind, read_config(checkpoint.folder / folder, kind.__name__))
    return json.dumps(scheduler_config(checkpoint.diffusion), indent=2) + "\n"


def _check(export: Export, made: Mapping[str, Path]) -> None:
    """Raises ExportError if the parts do not draw as torch does; the report stays either way."""
    options = export.options
    checkpoint = export.opened
    limit = LIMITS[options.precision, options.stored]
    with staging(export.output / REPORTS, export.name) as folder:
        new = folder / export.name
        new.mkdir()
        if options.precision == "bf16" and options.engine != "inductor":
            report = report_not_compared(limit, new, "onnxruntime has no bfloat16 convolution")
        else:
            tokenizers = open_tokenizers(checkpoint)
            report = compare(
                made,
                checkpoint,
                tokenizers,
                limit,
                new,
                export.reference,
                export.witness,
                looser=export.looser_limits(),
            )
        target = (
            export.output / REPORTS / (export.name if report.failure is None else f"{export.name}-failed")
        )
        publish(new, target)
    for remark in report.remarks:
        print_line(f"Export {export.name}: {remark}")
    if report.failure is not None:
        export.work.finish()  # another try needs other options or another checkpoint
        raise ExportError(f"{export.name} does not draw as torch does: {report.failure}; see {target}")


def _description(checkpoint: Checkpoint, tokenizers: Tokenizers, sampling: Sampling) -> Description:
    row, sizes = checkpoint.family.row, checkpoint.sizes
    return Description(
        family=row,
        diffusion=checkpoint.diffusion,
        latent_channels=checkpoint.sizes.channels,
        downscale=checkpoint.downscale,
        pad_tokens=tuple(tokenizer.pad for tokenizer in tokenizers.values()),
        token_window=checkpoint.sizes.window,
        embedding_widths=tuple(
            int(network.config.hidden_size) for network in checkpoint.text_encoders.values()
        ),
        sampling=sampling,
        text_width=sizes.width if sizes.width != max(checkpoint.text_widths.values()) else 0,
    )
