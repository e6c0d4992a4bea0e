"""What a single file says of its schedule, in the dialects of those who write such files.

Empty tensors by name (`v_pred`, `ztsnr`: ComfyUI and model authors), metadata (`modelspec.…` of Stability's
ModelSpec and ComfyUI, `ss_…` of kohya's scripts, OneTrainer's and diffusers' configs as JSON), and the YAML
file of the same name beside it (Stability's own code, AUTOMATIC1111's web UI).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.safetensors_header import SafetensorsHeader
from contract.schedules import SPACINGS
from export.checkpoints.scheduler import EDM_WORDS, PREDICTION_WORDS
from export.errors import ExportError
from export.json_file import MAX_JSON_BYTES, read_bytes

PREDICTION = ("prediction_type", "predict_key", "predict_type", "prediction", "parameterization")
V_PREDICTION = ("v_pred", "vpred", "v_prediction", "v_parameterization", "force_v_prediction")
ZERO_SNR = (
    "ztsnr",
    "zsnr",
    "zero_snr",
    "zero_terminal_snr",
    "enforce_zero_terminal_snr",
    "rescale_betas_zero_snr",
    "rescale_noise_scheduler_to_zero_terminal_snr",
)
SPACING = ("timestep_spacing",)
# How the keys of EDM models begin: CosXL's as ComfyUI marks them, Playground 2.5's.
EDM_KEYS = ("edm_vpred.", "edm_mean", "edm_std", "edm_eps.")
NOTHING = ("", "none", "null", "false", "0", "no", "n/a", "unknown")  # said, but nothing by it
CONFIGS = re.compile(r"config|scheduler|settings")  # metadata that may hold such keys as JSON
NAMES = re.compile(r"title|(output|model)_name|merge|name_or_path")  # metadata that names models
YAML = re.compile(r"^\s*parameterization:\s*[\"']?(\w+)[\"']?\s*(?:#.*)?$", re.MULTILINE)
SCALING = re.compile(r"denoiser_scaling\.(\w+)")
SCALINGS = {"EpsScaling": "epsilon", "VScaling": "v"}
DISTILLED = re.compile(
    r"turbo|lightning|hyper[-_ ]?(?:sd|xl)|(?<![a-z])(?:lcm|dmd2?|tcd|pcm)(?:(?![a-z])|scheduler)",
    re.IGNORECASE,
)
"""Models of few steps by their names, and those models' samplers; all are drawn from the last timestep on."""


@dataclass(frozen=True)
class Said:
    value: Any
    source: str  # who says so, for people
    imposed: bool = False  # whether it is not the checkpoint that says so


@dataclass(frozen=True)
class FileMarks:
    said: Mapping[str, Said]  # of prediction, zero_snr, spacing: what it says first
    contradictions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # that it calls itself and what it was merged of


NO_MARKS = FileMarks({})


def read_marks(path: Path, header: SafetensorsHeader) -> FileMarks:
    """Raises ExportError for what is said and not known, and for EDM models."""
    for key in header.shapes:
        if key.startswith(EDM_KEYS):
            raise ExportError(f"{path} is {EDM_WORDS} (it holds {key})")
    said: dict[str, Said] = {}
    contradictions = []
    for name, value, source in _statements(path, header):
        found = _meaning(path, name, value, source)
        if found is None:
            continue
        what, meant = found
        known = said.setdefault(what, Said(meant, source))
        if known.value != meant:
            contradictions.append(f"{source} says otherwise")
    names = [text for key, text in header.metadata.items() if NAMES.search(_plain(key))]
    return FileMarks(said, tuple(contradictions), tuple(names))


def distilled_name(names: Iterable[str]) -> str | None:
    """What of the names says that a model was distilled to few steps."""
    found = next(filter(None, map(DISTILLED.search, names)), None)
    return found[0] if found else None


def _statements(path: Path, header: SafetensorsHeader) -> Iterator[tuple[str, Any, str]]:
    """Name, value and who says it, the most reliable first: tensors are there to be read by programs."""
    for key in header.shapes:
        if key.removeprefix("model.").count(".") == 0:
            yield _plain(key), True, f"{key} in the file"
    for key, text in header.metadata.items():
        yield _plain(key), text, f"{key} in the file's metadata"
        if CONFIGS.search(_plain(key)) and text.lstrip().startswith("{") and len(text) <= MAX_JSON_BYTES:
            for name, value in _pairs(text):
                yield _plain(name), value, f"{key} in the file's metadata"
    beside = path.with_suffix(".yaml")
    if beside.is_file():
        text = read_bytes(beside).decode(errors="replace")
        if found := YAML.search(text):
            yield "parameterization", found[1], beside.name
        if found := SCALING.search(text):
            yield "prediction", SCALINGS.get(found[1], found[1]), beside.name


def _pairs(text: str) -> list[tuple[str, Any]]:
    """Of a JSON object and those directly in it; nothing of what is no JSON."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    outer = list(found.items()) if isinstance(found, dict) else []
    inner = [pair for _, value in outer if isinstance(value, dict) for pair in value.items()]
    return [(str(name), value) for name, value in [*outer, *inner] if isinstance(value, str | bool | int)]


def _plain(key: str) -> str:
    """modelspec.predictionType, ss_prediction-type → prediction_type."""
    last = key.removeprefix("model.").rpartition(".")[2]
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[-\s]+", "_", last).lower().removeprefix("ss_")


def _meaning(path: Path, name: str, value: Any, source: str) -> tuple[str, Any] | None:
    word = re.sub(r"[-\s]+", "_", str(value).strip().lower())
    if name in PREDICTION and word not in NOTHING:
        if "edm" in word:
            raise ExportError(f"{path} is {EDM_WORDS} ({source})")
        if word not in PREDICTION_WORDS:
            raise ExportError(
                f"{path} predicts {word[:40]!r} ({source}), which is not known; "
                "if it is epsilon, v_prediction or flow, say --prediction"
            )
        return "prediction", PREDICTION_WORDS[word]
    if name in V_PREDICTION and word not in NOTHING:
        return "prediction", "v"
    if name in ZERO_SNR:
        return "zero_snr", word not in NOTHING
    if name in SPACING and word in SPACINGS:
        return "spacing", word
    return None
