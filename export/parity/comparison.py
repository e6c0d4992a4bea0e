"""Whether exported networks draw what torch draws: part by part, and as whole pictures of four steps."""

import ctypes
import gc
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn import functional

from contract.description import read_description
from contract.names import DECODER, DENOISER
from contract.parts import ModelPart
from contract.repositories import DESCRIPTION_FILE
from export.checkpoints.checkpoint import Checkpoint
from export.checkpoints.tokenizer import Tokenizers
from export.graphs.storage import PLAN_FILE
from export.networks.networks import Network, network_of
from export.networks.precision import Limit
from export.parity.runners import Runner, runner_of
from export.parity.witness import STEPS, Witness, doubt

PROMPTS = (
    ("a red fox reading a book under a tree, warm lighting", "rain"),
    ("three yellow houses at a lake, watercolour", ""),
)
SIDES = ((256, 256), (320, 192))  # width, height in pixels: small, since torch draws them on a CPU too
GUIDANCE, SEED = 4.0, 0
NOT_RUN = "plan not run here"
Array = npt.NDArray[Any]
Tensors = Mapping[str, torch.Tensor]
Reference = Callable[[str], Network]
"""A part's name → torch's network for it in fp32."""


MakeRunner = Callable[[Path, ModelPart], Runner | None]
Levels = tuple[torch.Tensor, float]
"""STEPS + 1 falling noise levels, the last 0, and what the first noise is multiplied by."""
LevelsOf = Callable[[int, int], Levels]
"""For a picture of so many latents: height, width."""


class RunPart(Protocol):
    def __call__(self, inputs: Tensors, compared: bool = True) -> Tensors: ...


Advance = Callable[[RunPart, "Drawing"], None]


@dataclass(frozen=True)
class PartDeviation:
    largest: float
    mean: float  # beside the mean size of torch's values


@dataclass(frozen=True)
class PictureComparison:
    prompt: str
    width: int
    height: int
    psnr: float  # dB; 99 for equal pictures
    largest: int  # of 255


@dataclass
class Drawing:
    """A picture on its way; each part fills in what the next one needs."""

    prompt: str
    tokens: tuple[Tensors, ...]  # of the prompt and, where the denoiser takes it, of the negative prompt
    size: tuple[int, int]  # width, height in pixels
    checkpoint: Checkpoint
    levels: Levels
    encoded: dict[str, list[Tensors]] = field(default_factory=dict)
    """By text part, what it made of each text."""
    latents: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    pixels: npt.NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))


@dataclass(frozen=True)
class RecordedCall:
    inputs: Tensors
    outputs: Tensors


@dataclass
class ParityReport:
    limit: Limit
    parts: dict[str, PartDeviation] = field(default_factory=dict)
    pictures: list[PictureComparison] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    levels: str | None = None  # how the noise levels differ from the original's, if they do
    looser: dict[str, float] = field(default_factory=dict)  # limit.mean of parts that have another

    @property
    def failure(self) -> str | None:
        """Which part drifted, in one line; None for a report that is within its limit."""
        if self.levels:
            return self.levels
        for part, error in self.parts.items():
            most = self.looser.get(part, self.limit.mean)
            if not error.mean <= most:
                return f"the {part}'s mean error is {error.mean:.2g} of its values, at most {most:g}"
        worst = min(self.pictures, key=lambda picture: picture.psnr, default=None)
        if worst and not worst.psnr >= self.limit.psnr:
            return f"a picture has {worst.psnr:.1f} dB PSNR, at least {self.limit.psnr:g}"
        return None

    def write(self, folder: Path) -> None:
        content = {**asdict(self), "passed": self.failure is None, "failure": self.failure}
        (folder / "report.json").write_text(json.dumps(content, indent=2) + "\n")


def report_not_compared(limit: Limit, folder: Path, reason: str) -> ParityReport:
    """Writes a report that says why nothing was compared."""
    report = ParityReport(limit, remarks=[f"graphs not run here: {reason}"])
    report.write(folder)
    return report


def compare(
    parts: Mapping[str, Path],
    checkpoint: Checkpoint,
    tokenizers: Tokenizers,
    limit: Limit,
    folder: Path,
    reference: Reference | None = None,
    witness: Witness | None = None,
    make_runner: MakeRunner = runner_of,
    looser: Mapping[str, float] = MappingProxyType({}),
) -> ParityReport:
    """Fills `folder` with report.json and the pictures, torch's on the left.

    `parts`: of the family, by name → folder. One network at a time is in memory if `reference` loads it when
    asked; without one it is the checkpoint's. With a witness torch draws over its noise levels, and
    `reference` takes its steps. `looser`: see ParityReport. Raises ExportError if a graph does not run.
    """
    report = ParityReport(limit, looser=dict(looser))
    if any((path / "1" / PLAN_FILE).exists() for path in parts.values()):
        report.remarks.append(f"{NOT_RUN}: the graphs that the plans were built from were compared")
    ours = _levels(parts[DENOISER], checkpoint)
    theirs = witness.levels if witness else ours
    different = (_difference(ours(*one), theirs(*one)) for one in _latents(checkpoint))
    report.levels = next(filter(None, different), None)
    if report.levels:  # pictures over other levels are other pictures
        report.write(folder)
        return report
    wanted = [*_drawings(checkpoint, tokenizers, theirs)]
    found = [*_drawings(checkpoint, tokenizers, ours)]
    for part in checkpoint.family.row.part_names:
        advance = advance_of(part)
        network = reference(part) if reference else network_of(checkpoint, part)
        calls = _run_torch(network, advance, wanted)
        declared = network.part
        if said := doubt(checkpoint.diffusion.prediction, getattr(network.module, "likeness", None)):
            report.remarks.append(said)
        runner = make_runner(parts[part], declared)
        if runner is None:  # the other parts are given what torch makes
            report.remarks.append(f"{part} not run here: onnxruntime has no bfloat16")
            _run_torch(network, advance, found)
            continue
        del network
        release_memory()
        _run_engine(runner, declared, advance, found, calls, report)
        release_memory()
    for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
        report.pictures.append(_picture(one.prompt, one.pixels, other.pixels))
        pair = Image.fromarray(np.concatenate([other.pixels, one.pixels], axis=1))
        pair.save(folder / f"{number // len(SIDES) + 1}-{pair.width // 2}x{pair.height}.png")
    report.write(folder)
    return report


def _drawings(checkpoint: Checkpoint, tokenizers: Tokenizers, levels: LevelsOf) -> Iterator[Drawing]:
    for texts in PROMPTS:
        tokens = tuple(_tokens(text, tokenizers) for text in texts[: len(_texts(checkpoint))])
        for size, latents in zip(SIDES, _latents(checkpoint), strict=True):
            yield Drawing(texts[0], tokens, size, checkpoint, levels(*latents))


def _latents(checkpoint: Checkpoint) -> list[tuple[int, int]]:
    """Height and width of each of SIDES."""
    return [(height // checkpoint.downscale, width // checkpoint.downscale) for width, height in SIDES]


def _texts(checkpoint: Checkpoint) -> tuple[str, ...]:
    row = checkpoint.family.row
    return row.texts


def _run_torch(network: Network, advance: Advance, drawings: Sequence[Drawing]) -> list[RecordedCall]:
    """Takes the drawings a part further; returns what the exported one is to be given too."""
    calls = []

    def run(inputs: Tensors, compared: bool = True) -> Tensors:
        with torch.no_grad():
            found = network.module(**{tensor.name: inputs[tensor.name] for tensor in network.part.inputs})
        values = found if isinstance(found, tuple) else (found,)
        outputs = {tensor.name: value for tensor, value in zip(network.part.outputs, values, strict=True)}
        if compared:
            calls.append(RecordedCall(dict(inputs), outputs))
        return outputs

    for drawing in drawings:
        advance(run, drawing)
    return calls


def _run_engine(
    runner: Runner,
    part: ModelPart,
    advance: Advance,
    drawings: Sequence[Drawing],
    calls: Sequence[RecordedCall],
    report: ParityReport,
) -> None:
    """The same by what was exported, and each of torch's calls with torch's inputs."""

    def run(inputs: Tensors, compared: bool = True) -> Tensors:
        return runner.run({tensor.name: inputs[tensor.name] for tensor in part.inputs})

    for call in calls:
        found = run(call.inputs)
        for name, value in call.outputs.items():
            _note(report, part.name, _error(found[name], value))
    for drawing in drawings:
        advance(run, drawing)


def _encode(part: str, run: RunPart, drawing: Drawing) -> None:
    drawing.encoded[part] = [run(tokens) for tokens in drawing.tokens]


def _conditions(drawing: Drawing) -> dict[str, torch.Tensor]:
    """What the text parts made, as the denoiser takes it."""
    checkpoint, made = drawing.checkpoint, {}
    for number, text in enumerate(_texts(checkpoint)):
        parts = {part: texts[number] for part, texts in drawing.encoded.items()}
        for name, value in _joined(checkpoint, parts, drawing.tokens[number]).items():
            made[f"{text}{name}"] = value
    return made


def _joined(checkpoint: Checkpoint, parts: Mapping[str, Tensors], tokens: Tensors) -> Tensors:
    row, width = checkpoint.family.row, checkpoint.sizes.width
    embeddings, masks, pooled = [], [], []
    for part, made in parts.items():
        if "embeddings" in made:
            one = made["embeddings"]
            embeddings.append(functional.pad(one, (0, width - one.shape[-1])))
            masks += [tokens[encoder.mask] for encoder in row.text_parts[part][:1] if encoder.masked]
        if "pooled" in made:
            pooled.append(made["pooled"])
    if row.blank_tokens:
        embeddings.append(torch.zeros(1, row.blank_tokens, width))
    found = {"embeddings": torch.cat(embeddings, dim=1)}
    if pooled:
        found["pooled"] = torch.cat(pooled, dim=1)
    if masks:
        found["mask"] = torch.cat(masks, dim=1)
    return found


def _denoise(run: RunPart, drawing: Drawing) -> None:
    checkpoint, (width, height) = drawing.checkpoint, drawing.size
    conditions = _conditions(drawing)
    conditions["guidance"] = torch.tensor([[GUIDANCE]])
    conditions["time_ids"] = torch.tensor([[height, width, 0, 0, height, width]]).float()
    sigmas, scale = drawing.levels
    random = np.random.Generator(np.random.Philox(SEED))
    shape = (1, checkpoint.sizes.channels, height // checkpoint.downscale, width // checkpoint.downscale)
    noise = random.standard_normal(shape, np.float32)
    latents = torch.from_numpy(noise) * scale
    for step in range(STEPS):
        levels = {"sigma": sigmas[step : step + 1, None], "sigma_next": sigmas[step + 1 : step + 2, None]}
        inputs = {"latents": latents, **levels, **conditions}
        latents = run(inputs, step in (0, STEPS - 1))["next_latents"]
    drawing.latents = latents


def _decode(run: RunPart, drawing: Drawing) -> None:
    drawing.pixels = run({"latents": drawing.latents})["image"][0].numpy()


def advance_of(part: str) -> Advance:
    return {DENOISER: _denoise, DECODER: _decode}.get(part, partial(_encode, part))


def release_memory() -> None:
    """To the system, what networks have left in this process: the next one needs the room."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def _levels(denoiser: Path, checkpoint: Checkpoint) -> LevelsOf:
    """Those that Triton draws over, by the exported model's description; a character has its base's."""
    path = denoiser / DESCRIPTION_FILE
    diffusion = read_description(path).diffusion if path.exists() else checkpoint.diffusion

    def levels(height: int, width: int) -> Levels:
        schedule = diffusion.of_size(height, width).schedule
        sigmas = schedule.sigmas(STEPS)
        return torch.from_numpy(sigmas), schedule.init_noise_sigma(sigmas)

    return levels


def _difference(ours: Levels, theirs: Levels) -> str | None:
    found, wanted = (torch.cat([sigmas, torch.tensor([scale])]) for sigmas, scale in (ours, theirs))
    # Near the end of a zero-SNR schedule diffusers' rounding shows.
    if torch.allclose(found, wanted, rtol=2e-3, atol=1e-5):
        return None
    first, other = (", ".join(f"{value:.3g}" for value in one) for one in (found, wanted))
    return f"its noise levels are {first}; the original's, as diffusers reads it, {other}"


def _tokens(text: str, tokenizers: Tokenizers) -> Tensors:
    """One window: what does not fit is left out, which is the same for both sides."""
    rows = {}
    for encoder, one in tokenizers.items():
        before, after = one.frame
        room = one.window - len(before) - len(after)
        row = [*before, *one.tokenizer.encode(text, add_special_tokens=False).ids[:room], *after]
        padding = one.window - len(row)
        rows[encoder.tokens] = torch.tensor([row + [one.pad] * padding])
        rows[encoder.mask] = torch.tensor([[1] * len(row) + [0] * padding])
    return rows


def _error(found: torch.Tensor, wanted: torch.Tensor) -> PartDeviation:
    difference = (found.double() - wanted.double()).abs()
    size = max(float(wanted.double().abs().mean()), 1e-6)
    return PartDeviation(float(difference.max()), float(difference.mean()) / size)


def _note(report: ParityReport, part: str, error: PartDeviation) -> None:
    """The worst of all is kept; a NaN is worse than anything."""
    known = report.parts.get(part)
    if known is None or not error.mean <= known.mean:
        report.parts[part] = error


def _picture(prompt: str, found: npt.NDArray[np.uint8], wanted: npt.NDArray[np.uint8]) -> PictureComparison:
    difference = found.astype(np.float64) - wanted
    square = float((difference**2).mean())
    psnr = 10 * np.log10(255**2 / square) if square else 99.0
    height, width, _ = wanted.shape
    return PictureComparison(prompt, width, height, float(psnr), int(np.abs(difference).max()))
