"""Whether exported networks draw what torch draws: part by part, and as whole pictures of four steps."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from PIL import Image
from torch import nn

from export.checkpoint import Checkpoint
from export.errors import ExportError, first_line
from export.inductor import PackageRunner
from export.networks import networks_of
from export.parts import Part
from export.precision import Limit
from export.schedule import Schedule
from export.storage import MODEL_FILE, PACKAGE_FILE, PLAN_FILE
from export.tokens import ClipTokenizer

PROMPTS = (
    ("a red fox reading a book under a tree, warm lighting", "rain"),
    ("three yellow houses at a lake, watercolour", ""),
)
SIDES = ((256, 256), (320, 192))  # width, height in pixels: small, since torch draws them on a CPU too
STEPS, GUIDANCE, SEED = 4, 4.0, 0
NOT_RUN = "plan not run here"
Array = npt.NDArray[Any]
Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Error:
    largest: float
    mean: float  # beside the mean size of torch's values


@dataclass(frozen=True)
class Picture:
    prompt: str
    width: int
    height: int
    psnr: float  # dB; 99 for equal pictures
    largest: int  # of 255


@dataclass
class Report:
    limit: Limit
    parts: dict[str, Error] = field(default_factory=dict)
    pictures: list[Picture] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def failure(self) -> str | None:
        """Which part drifted, in one line; None for a report that is within its limit."""
        for part, error in self.parts.items():
            if not error.mean <= self.limit.mean:
                return (
                    f"the {part}'s mean error is {error.mean:.2g} of its values, at most {self.limit.mean:g}"
                )
        worst = min(self.pictures, key=lambda picture: picture.psnr, default=None)
        if worst and not worst.psnr >= self.limit.psnr:
            return f"a picture has {worst.psnr:.1f} dB PSNR, at least {self.limit.psnr:g}"
        return None

    def write(self, folder: Path) -> None:
        content = {**asdict(self), "passed": self.failure is None, "failure": self.failure}
        (folder / "report.json").write_text(json.dumps(content, indent=2) + "\n")


class Runner(Protocol):
    """One exported network."""

    def run(self, inputs: Tensors) -> dict[str, torch.Tensor]: ...


class GraphRunner:
    """By onnxruntime on the CPU."""

    def __init__(self, folder: Path) -> None:
        self._session = _session(folder)

    def run(self, inputs: Tensors) -> dict[str, torch.Tensor]:
        found = self._session.run(None, {name: value.numpy() for name, value in inputs.items()})
        return {
            output.name: torch.from_numpy(value)
            for output, value in zip(self._session.get_outputs(), found, strict=True)
        }


class Engine:
    """Exported parts: packages as they are served, anything else by its graph."""

    def __init__(self, parts: Mapping[str, Path], declared: Mapping[str, Part]) -> None:
        self._declared = declared
        self._runners = {part: _runner(folder, declared[part]) for part, folder in parts.items()}

    def run(self, part: str, inputs: Tensors) -> dict[str, torch.Tensor]:
        names = [tensor.name for tensor in self._declared[part].inputs]
        return self._runners[part].run({name: inputs[name] for name in names})


def _runner(folder: Path, part: Part) -> Runner:
    if (folder / "1" / PACKAGE_FILE).is_file():
        return PackageRunner(folder, tuple(tensor.name for tensor in part.outputs))
    return GraphRunner(folder)


class Torch:
    """The same parts as torch has them, in fp32."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._networks = {network.part.name: network for network in networks_of(checkpoint)}

    def run(self, part: str, inputs: Tensors) -> dict[str, torch.Tensor]:
        network = self._networks[part]
        module: nn.Module = network.module
        with torch.no_grad():
            found = module(**{tensor.name: inputs[tensor.name] for tensor in network.part.inputs})
        values = found if isinstance(found, tuple) else (found,)
        return {tensor.name: value for tensor, value in zip(network.part.outputs, values, strict=True)}


def not_compared(limit: Limit, folder: Path, reason: str) -> Report:
    """Writes a report that says why nothing was compared."""
    report = Report(limit, remarks=[f"graphs not run here: {reason}"])
    report.write(folder)
    return report


def compare(
    parts: Mapping[str, Path],
    checkpoint: Checkpoint,
    tokenizers: Mapping[str, ClipTokenizer],
    limit: Limit,
    folder: Path,
) -> Report:
    """Fills `folder` with report.json and the pictures, torch's on the left.

    `parts`: text-encoder, denoiser and decoder → folder. Raises ExportError if a graph does not run at all.
    """
    report = Report(limit)
    if any((path / "1" / PLAN_FILE).exists() for path in parts.values()):
        report.remarks.append(f"{NOT_RUN}: the graphs that the plans were built from were compared")
    engine = Engine(parts, {network.part.name: network.part for network in networks_of(checkpoint)})
    reference = Torch(checkpoint)
    for number, (prompt, negative) in enumerate(PROMPTS):
        for width, height in SIDES:
            given = _tokens(prompt, tokenizers), _tokens(negative, tokenizers)
            size = width // checkpoint.downscale, height // checkpoint.downscale
            wanted = _draw(reference, given, size, checkpoint, report, against=engine)
            found = _draw(engine, given, size, checkpoint, report, against=None)
            report.pictures.append(_picture(prompt, found, wanted))
            pair = Image.fromarray(np.concatenate([wanted, found], axis=1))
            pair.save(folder / f"{number + 1}-{pair.width // 2}x{pair.height}.png")
    report.write(folder)
    return report


def _draw(
    runner: Engine | Torch,
    given: tuple[Tensors, Tensors],
    size: tuple[int, int],
    checkpoint: Checkpoint,
    report: Report,
    against: Engine | None,
) -> npt.NDArray[np.uint8]:
    """A whole picture. With `against`, each part of it is also given the same inputs there, and compared."""

    def run(part: str, inputs: Tensors, compared: bool = True) -> dict[str, torch.Tensor]:
        wanted = runner.run(part, inputs)
        if against is not None and compared:
            found = against.run(part, inputs)
            for name, value in wanted.items():
                _note(report, part, _error(found[name], value))
        return wanted

    text, negative = (run("text-encoder", tokens) for tokens in given)
    conditions = {f"negative_{name}": value for name, value in negative.items()} | text
    pixels = [side * checkpoint.downscale for side in size]
    conditions["guidance"] = torch.tensor([[GUIDANCE]])
    conditions["time_ids"] = torch.tensor([[pixels[1], pixels[0], 0, 0, pixels[1], pixels[0]]]).float()
    sigmas = _sigmas(checkpoint.schedule)
    random = np.random.Generator(np.random.Philox(SEED))
    noise = random.standard_normal((1, checkpoint.channels, size[1], size[0]), np.float32)
    scale = 1.0 if checkpoint.schedule.prediction == "flow" else float(sigmas[0])
    latents = torch.from_numpy(noise) * scale
    for step in range(STEPS):
        levels = {"sigma": sigmas[step : step + 1, None], "sigma_next": sigmas[step + 1 : step + 2, None]}
        inputs = {"latents": latents, **levels, **conditions}
        latents = run("denoiser", inputs, compared=step in (0, STEPS - 1))["next_latents"]
    picture: npt.NDArray[np.uint8] = run("decoder", {"latents": latents})["image"][0].numpy()
    return picture


def _session(folder: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4  # what it says of a failure is said below
    try:
        return ort.InferenceSession(folder / "1" / MODEL_FILE, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a kind for each of its states
        raise ExportError(f"onnxruntime cannot load {folder.name}: {first_line(error)}") from None


def _sigmas(schedule: Schedule) -> torch.Tensor:
    """STEPS + 1 falling levels, the last 0. Any will do, so long as both sides get the same."""
    if schedule.prediction == "flow":
        levels = np.linspace(1, 1 / STEPS, STEPS, dtype=np.float32)
        levels = schedule.shift * levels / (1 + (schedule.shift - 1) * levels)
    else:
        steps = np.linspace(schedule.train_steps - 1, schedule.train_steps // STEPS, STEPS).astype(int)
        levels = np.exp(schedule.log_sigmas()[steps])
    return torch.from_numpy(np.append(levels, 0).astype(np.float32))


def _tokens(text: str, tokenizers: Mapping[str, ClipTokenizer]) -> Tensors:
    """One window: what does not fit is left out, which is the same for both sides."""
    rows = {}
    for name, one in tokenizers.items():
        begin, end = one.tokenizer.encode("").ids
        ids = one.tokenizer.encode(text, add_special_tokens=False).ids[: one.window - 2]
        row = [begin, *ids, end]
        rows[name.replace("tokenizer", "tokens")] = torch.tensor([row + [one.pad] * (one.window - len(row))])
    return rows


def _error(found: torch.Tensor, wanted: torch.Tensor) -> Error:
    difference = (found.double() - wanted.double()).abs()
    size = max(float(wanted.double().abs().mean()), 1e-6)
    return Error(float(difference.max()), float(difference.mean()) / size)


def _note(report: Report, part: str, error: Error) -> None:
    """The worst of all is kept; a NaN is worse than anything."""
    known = report.parts.get(part)
    if known is None or not error.mean <= known.mean:
        report.parts[part] = error


def _picture(prompt: str, found: npt.NDArray[np.uint8], wanted: npt.NDArray[np.uint8]) -> Picture:
    difference = found.astype(np.float64) - wanted
    square = float((difference**2).mean())
    psnr = 10 * np.log10(255**2 / square) if square else 99.0
    height, width, _ = wanted.shape
    return Picture(prompt, width, height, float(psnr), int(np.abs(difference).max()))
