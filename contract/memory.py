"""How much memory a model's pictures take on a CPU, before any is drawn, and how much there is.

An engine's row is measured (docs/export.md says how); what it does not say follows from the network's shape.
"""

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.bank import BadBank, read_bank
from contract.description import BadDescription
from contract.limits import KEPT_TEXT_BYTES
from contract.names import DECODER, DENOISER, network_name
from contract.repositories import CONFIG_FILE, batch_size, find_description, find_network
from contract.sizes import SIZES

FP32 = 4  # bytes
PATCH, TEXT = 2, 512  # latents along a side that a transformer takes as one; tokens beside them
GUIDED = 2  # the denoiser runs on the prompt and on the negative one
WIDEST = 8  # of a block with attention: its feed-forward layer is so many times wider than its input
MAX_CONFIG_BYTES = 4 << 20
# One batch of the denoiser is computed, while the orders of another are encoded and decoded or wait for it.
BATCHES_HELD = 2
GPU = Path("/dev/nvidia0")
MEMORY = "IMGEN_MEMORY_MB"  # in the environment of Triton: what its networks may take, in MiB


@dataclass(frozen=True, kw_only=True)
class EngineMemory:
    """Of one network in a process of its own, which keeps what its largest picture needed."""

    weights: float  # bytes in memory for each byte of its files
    loading: float  # the same, for the moment in which it is loaded
    scores: float  # copies of attention's table of scores held at once; 0 where it is never whole
    maps: float  # copies of the largest map of features held at once
    process: int  # bytes before anything is loaded


ENGINES: Mapping[str, EngineMemory] = {
    "onnxruntime": EngineMemory(weights=2.1, loading=2.7, scores=1.1, maps=5.5, process=90 << 20),
    "openvino": EngineMemory(weights=2.1, loading=4.2, scores=0.0, maps=5.0, process=110 << 20),
}
"""By what runs a network. What is not here is not estimated, and never refused: engines of GPUs."""
CPU_RUNTIME = "IMGEN_CPU_RUNTIME"
"""In the environment: auto, openvino or onnxruntime; what runs graphs of the backend onnxruntime."""
CPU_PRECISION = "IMGEN_CPU_PRECISION"


@dataclass(frozen=True)
class ModelMemory:
    loaded: int  # bytes of its networks, without pictures
    loading: int  # while they are loaded
    pictures: Mapping[tuple[int, int], int] = field(default_factory=dict)  # bytes beside, by (width, height)


def memory_of(
    folders: Sequence[Path], model: str, environ: Mapping[str, str] = os.environ
) -> ModelMemory | None:
    """None where it cannot be told: another engine, a GPU, or a model of another origin than our export."""
    try:
        described = find_description(folders, model)
    except BadDescription:
        return None
    if described is None or GPU.exists():
        return None
    family, downscale = described.family, described.downscale
    networks = {part: find_network(folders, network_name(model, part)) for part in family.part_names}
    found = {part: folder for part, folder in networks.items() if folder}
    engines = {part: _engine(_backend(folder), environ) for part, folder in found.items()}
    known = {part: engine for part, engine in engines.items() if engine}
    if len(known) < len(networks):
        return None
    try:
        configs = {
            part: _config(found[part] / "checkpoint" / name / "config.json")
            for part, name in ((DENOISER, family.denoiser), (DECODER, "vae"))
        }
        stored = {part: _stored(folder) for part, folder in found.items()}
        beside = sum(_bank_bytes(folder) for folder in found.values())
        beside += KEPT_TEXT_BYTES if any(encoder.kept for encoder in family.text_encoders) else 0
        copies = GUIDED if described.has_negative else 1
        return _estimate(configs, downscale, stored, known, beside, copies)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def memory_of_graphs(
    configs: Mapping[str, Mapping[str, Any]],
    downscale: int,
    stored: Mapping[str, int],
    environ: Mapping[str, str] = os.environ,
    copies: int = GUIDED,
) -> ModelMemory | None:
    """Of a model that is not exported yet, as ONNX graphs. `configs`: of denoiser and decoder; `stored`:
    bytes of every part's weights; `copies`: as of _estimate. None where it cannot be told."""
    if GPU.exists():
        return None
    try:
        return _estimate(
            configs, downscale, stored, dict.fromkeys(stored, _of_graphs(environ)), copies=copies
        )
    except (ValueError, TypeError, KeyError):
        return None


def _estimate(
    configs: Mapping[str, Mapping[str, Any]],
    downscale: int,
    stored: Mapping[str, int],
    engines: Mapping[str, EngineMemory],
    beside: int = 0,
    copies: int = GUIDED,
) -> ModelMemory:
    """`beside`: bytes of its bank and of kept texts; `copies`: times that the denoiser runs a picture at each
    step. Raises ValueError, TypeError and KeyError for configs of no network."""
    pictures = {
        size: copies * _denoising(configs[DENOISER], _latents(downscale, size), engines[DENOISER])
        + _decoding(configs[DECODER], _latents(downscale, size), engines[DECODER])
        for size in SIZES
    }
    processes = sum(engine.process for engine in engines.values()) + beside
    loaded = processes + sum(int(engine.weights * stored[part]) for part, engine in engines.items())
    loading = processes + sum(int(engine.loading * stored[part]) for part, engine in engines.items())
    return ModelMemory(loaded, loading, pictures)


def refusals(
    folders: Sequence[Path], models: Sequence[str], limit: int, environ: Mapping[str, str] = os.environ
) -> dict[str, dict[str, str]]:
    """For each of the models, all of which are loaded: sizes (1024x1024) that do not fit `limit`, and why."""
    memories = {model: memory for model in models if (memory := memory_of(folders, model, environ))}
    loaded = sum(memory.loaded for memory in memories.values())
    found: dict[str, dict[str, str]] = {model: {} for model in models}
    for model, memory in memories.items():
        for size, needed in memory.pictures.items():
            if loaded + needed > limit:
                found[model][f"{size[0]}x{size[1]}"] = words_of_refusal(model, size, loaded + needed, limit)
    return found


def pictures_at_once(
    folders: Sequence[Path], models: Sequence[str], limit: int, environ: Mapping[str, str] = os.environ
) -> dict[str, int]:
    """For each of the models, all of which are loaded: so many of its pictures a Triton can hold at a
    time, of the largest size that is not refused. More would only wait for each other there."""
    memories = {model: memory_of(folders, model, environ) for model in models}
    room = limit - sum(memory.loaded for memory in memories.values() if memory)
    found = {}
    for model, memory in memories.items():
        denoiser = find_network(folders, network_name(model, DENOISER))
        held = BATCHES_HELD * (batch_size(denoiser) if denoiser else 1)
        if memory and (fitting := [needed for needed in memory.pictures.values() if needed <= room]):
            held = min(held, room // max(fitting))
        found[model] = max(held, 1)
    return found


def loaded_characters(stored: int, environ: Mapping[str, str] = os.environ) -> int:
    """Bytes that characters' own networks take, of `stored` bytes in files: as while they load, since what
    their pictures need is kept in processes of their own."""
    return int(_of_graphs(environ).loading * stored)


def characters_that_fit(
    memories: Collection[ModelMemory], limit: int, environ: Mapping[str, str] = os.environ
) -> int:
    """Bytes of files of characters that there is room for beside these models and their largest picture."""
    largest = max((max(one.pictures.values()) for one in memories), default=0)
    room = limit - largest - sum(one.loaded for one in memories)
    return int(max(room, 0) / _of_graphs(environ).loading)


def memory_limit(environ: Mapping[str, str]) -> int:
    """Bytes that this machine has, or the control group of this process; MEMORY comes first."""
    if (told := environ.get(MEMORY, "")).isdecimal() and int(told):
        return int(told) << 20
    (total,) = re.findall(r"^MemTotal: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return min((int(total) << 10, *_group_limits()))


def words_of_refusal(model: str, size: tuple[int, int], needed: int, limit: int) -> str:
    width, height = size
    return f"{width}x{height} with {model} takes about {gib(needed)} of memory; there is {gib(limit)}"


def gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"


def _group_limits() -> Iterator[int]:
    """Of this process's control groups and those above them, versions 2 and 1."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root, file = ("memory", "memory.limit_in_bytes") if controllers else ("", "memory.max")
        place = Path("/sys/fs/cgroup", root, path.lstrip("/"))
        for folder in (place, *place.parents):
            try:
                text = (folder / file).read_text().strip()
            except OSError:
                continue
            if text.isdecimal():
                yield int(text)


def _engine(backend: str, environ: Mapping[str, str]) -> EngineMemory | None:
    return _of_graphs(environ) if backend == "onnxruntime" else ENGINES.get(backend)


def _of_graphs(environ: Mapping[str, str]) -> EngineMemory:
    """OpenVINO unless it is known not to run here; a single network that falls back is not foreseen."""
    return ENGINES["onnxruntime" if environ.get(CPU_RUNTIME) == "onnxruntime" else "openvino"]


def _backend(folder: Path) -> str:
    found = re.search(
        r'^backend: "([^"]+)"', (folder / CONFIG_FILE).read_text(errors="replace"), re.MULTILINE
    )
    return found[1] if found else ""


def _config(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        found = json.loads(file.read(MAX_CONFIG_BYTES))
    if not isinstance(found, dict):
        raise TypeError(f"{path} is no object")
    return found


def _stored(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "1").glob("*") if path.is_file())


def _bank_bytes(folder: Path) -> int:
    """With every slot in use."""
    try:
        bank = read_bank(folder)
    except BadBank:
        return 0
    return bank.file_bytes if bank else 0


def _latents(downscale: int, size: tuple[int, int]) -> int:
    """How many places a picture's latents have."""
    return (size[0] // downscale) * (size[1] // downscale)


def _denoising(config: Mapping[str, Any], latents: int, engine: EngineMemory) -> int:
    """Bytes of one step of one picture with one text."""
    if "block_out_channels" not in config:
        return _denoising_by_blocks(config, latents, engine)
    widths, kinds = config["block_out_channels"], config["down_block_types"]
    # diffusers' name for the number of heads, but for networks that say both.
    heads = config.get("num_attention_heads") or config.get("attention_head_dim") or 8
    scores, maps = 0, 0
    for level, (width, kind) in enumerate(zip(widths, kinds, strict=True)):
        places = latents // 4**level
        attends = "Attn" in kind or level == len(widths) - 1  # the middle block is at the last level
        count = heads[level] if isinstance(heads, list) else heads
        scores = max(scores, count * places**2 if attends else 0)
        maps = max(maps, places * width * (WIDEST if attends else 3))
    return int(FP32 * (engine.scores * scores + engine.maps * maps))


def _denoising_by_blocks(config: Mapping[str, Any], latents: int, engine: EngineMemory) -> int:
    """The same of a transformer: all blocks look at all places of the picture and at the text, at one width.
    Measured of none yet: the factors are those of a UNet's block with attention."""
    heads = config.get("num_attention_heads") or config["n_heads"]
    width = config["dim"] if "dim" in config else heads * config["attention_head_dim"]
    places = latents // PATCH**2 + TEXT
    scores, maps = heads * places**2, places * width * WIDEST
    return int(FP32 * (engine.scores * scores + engine.maps * maps))


def _decoding(config: Mapping[str, Any], latents: int, engine: EngineMemory) -> int:
    """Bytes of one picture. Each level but the last doubles the sides of what it hands on."""
    widths = list(reversed(config["block_out_channels"]))
    maps = [
        latents * 4**level * max(widths[level - 1 : level + 1] or widths[:1]) for level in range(len(widths))
    ]
    scores = latents**2 if config.get("mid_block_add_attention", True) else 0
    return int(FP32 * (engine.scores * scores + engine.maps * max(maps)))
