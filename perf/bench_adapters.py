"""What a bank of LoRAs costs and gains: python -m perf.bench_adapters [--size 1024x1024] [--rounds 4]

A step with a bank beside one without, of SDXL's published shapes block by block and of the demo's denoiser; a
new character's bytes and seconds; eight characters by turns beside merged engines of which three fit.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contract.bank import BankSize
from contract.description import read_description
from contract.families import TIME_IDS
from contract.names import DENOISER, network_name
from perf.adapters import mixed
from perf.adapters.block import BANKED, PLAIN, UnetBlock, write_blocks
from perf.report import machine, publish, read_options, table
from perf.system import BenchError

ROOT = Path(__file__).parent.parent
PARTS = ROOT / ".venv" / "parts"
BANK = BankSize(16, 16)
TIMED, UNITS = ("plain", "one", "two"), ("seconds", "cpu_seconds")
SMOKE = {"size": "64x64", "rounds": 1, "mixed_size": "256x256", "steps": 1, "characters": 2}


def run(environment: str, module: str, *options: str) -> dict[str, Any]:
    """What its last line says, {} where it says nothing. Raises BenchError."""
    print(f"{module} {' '.join(options)}", file=sys.stderr)
    done = subprocess.run(
        [str(PARTS / environment / "bin" / "python"), "-m", module, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{module} failed")
    lines = done.stdout.strip().splitlines()
    found: dict[str, Any] = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return found


def sdxl_steps(folder: Path, size: str, rounds: int, *, tiny: bool) -> dict[str, Any]:
    options = ["--size", size, "--bank", str(BANK), *(["--tiny"] * tiny)]
    run("export", "perf.adapters.blocks", str(folder), *options)
    return run("triton", "perf.adapters.steps", str(folder), str(rounds))


def demo_model(folder: Path) -> Path:
    """The demo's model, exported anew with a bank; its repository."""
    checkpoint, repository = folder / "checkpoint", folder / "repository"
    name = ("--name", mixed.MODEL)
    run("export", "export.checkpoints.restore", str(mixed.MODELS), *name, "--output", str(checkpoint))
    run("export", "export", str(checkpoint), *name, "--output", str(repository), "--adapters", str(BANK))
    return repository


def demo_steps(banked: Path, size: str, rounds: int, folder: Path) -> dict[str, Any]:
    """Of the whole denoiser, one picture."""
    name = network_name(mixed.MODEL, DENOISER)
    description = read_description(banked / name / "pipeline.json")
    width, height = (int(side) // description.downscale for side in size.split("x"))
    config = json.loads((banked / name / "checkpoint" / "unet" / "config.json").read_text())
    times = TIME_IDS * config["addition_time_embed_dim"]
    embeddings = (1, description.token_window, config["cross_attention_dim"])
    pooled = (1, config["projection_class_embeddings_input_dim"] - times)
    shapes = {
        "latents": (1, description.latent_channels, height, width),
        **dict.fromkeys(("sigma", "sigma_next", "guidance"), (1, 1)),
        **dict.fromkeys(("embeddings", "negative_embeddings"), embeddings),
        **dict.fromkeys(("pooled", "negative_pooled"), pooled),
        "time_ids": (1, TIME_IDS),
    }
    (folder / "0").mkdir(parents=True)
    (folder / "0" / PLAIN).symlink_to(mixed.MODELS / name)
    (folder / "0" / BANKED).symlink_to(banked / name)
    write_blocks(folder, [UnetBlock(name, "0", 1, 0, shapes)])
    return run("triton", "perf.adapters.steps", str(folder), str(rounds))


def whole_step(steps: Mapping[str, Any], contender: str, unit: str) -> float:
    """Each kind of block as often as it occurs."""
    found: float = sum(block["count"] * block[contender][unit] for block in steps["blocks"])
    return found


def step_figures(end: str, steps: Mapping[str, Any]) -> dict[str, Any]:
    """How much longer a whole step takes than without a bank, where samples have one LoRA, and two."""
    found: dict[str, Any] = {f"step_peak_gb{end}": round(steps["peak_gb"], 2)}
    for clock, unit in (("", "seconds"), ("_cpu", "cpu_seconds")):
        plain = whole_step(steps, "plain", unit)
        found[f"step{clock}_seconds{end}"] = round(plain, 4)
        found[f"step_overhead{end}{clock}"] = round(whole_step(steps, "one", unit) / plain - 1, 4)
        found[f"step_overhead{end}_two{clock}"] = round(whole_step(steps, "two", unit) / plain - 1, 4)
    return found


def summarise(
    sdxl: Mapping[str, Any],
    demo: Mapping[str, Any],
    service: Mapping[str, Any],
    rates: Mapping[str, Sequence[float]],
) -> dict[str, Any]:
    pairs = zip(rates["bank"], rates["merged"], strict=True)
    lora, locon = service["lora"], service["locon"]
    return {
        "bank": str(BANK),
        "precision": sdxl["precision"],
        **step_figures("", sdxl),
        **step_figures("_demo", demo),
        "mixed_speedup": round(statistics.median(bank / merged for bank, merged in pairs), 2),
        "mixed_pictures_per_minute": {
            name: round(statistics.median(each), 2) for name, each in rates.items()
        },
        "bytes_per_character": lora["bytes"],
        "bytes_per_character_conv": locon["bytes"],
        "slot_bytes": lora["slot_bytes"],
        "seconds_to_service": round(lora["factors_seconds"] + lora["slot_seconds"], 2),
        "seconds_to_service_conv": round(locon["factors_seconds"] + locon["slot_seconds"], 2),
        "slot_seconds": round(lora["slot_seconds"], 2),
        "service_peak_gb": round(service["peak_gb"], 2),
        "blocks": [_rounded(block) for block in sdxl["blocks"]],
    }


def _rounded(block: Mapping[str, Any]) -> dict[str, Any]:
    times = {name: {unit: round(each, 5) for unit, each in block[name].items()} for name in TIMED}
    return {**block, **times}


def show(figures: Mapping[str, Any]) -> None:
    title = (
        f"SDXL's kinds of blocks, one run each without and with a bank of {BANK}; best of all rounds, "
        f"{figures['precision']}"
    )
    rows = [
        (block["name"], block["count"], *(block[name][unit] for unit in UNITS for name in TIMED))
        for block in figures["blocks"]
    ]
    table(title, ("block", "count", "s", "one LoRA", "two", "CPU s", "one LoRA", "two"), rows)
    named = (
        ("a step at SDXL's shapes, one LoRA", "step_overhead"),
        ("by processor time", "step_overhead_cpu"),
        ("two LoRAs", "step_overhead_two"),
        ("by processor time", "step_overhead_two_cpu"),
        ("a step of the demo, one LoRA", "step_overhead_demo"),
        ("by processor time", "step_overhead_demo_cpu"),
        ("two LoRAs", "step_overhead_demo_two"),
        ("by processor time", "step_overhead_demo_two_cpu"),
        ("eight characters by turns, times merged", "mixed_speedup"),
        ("bytes of a character, SDXL, rank 16", "bytes_per_character"),
        ("with convolutions", "bytes_per_character_conv"),
        ("seconds from a LoRA to a filled slot", "seconds_to_service"),
        ("with convolutions", "seconds_to_service_conv"),
    )
    rows = [(text, figures[name]) for text, name in named]
    table("What a bank costs and gains beside a network without one", ("", "figure"), rows)


def kept(file: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What an earlier run with the same --folder has measured, else what `work` does."""
    if not file.is_file():
        found = work()
        file.with_suffix(".tmp").write_text(json.dumps(found))
        file.with_suffix(".tmp").rename(file)
    read: dict[str, Any] = json.loads(file.read_text())
    return read


def of_service(folder: Path, *, tiny: bool) -> dict[str, Any]:
    run("export", "perf.adapters.base", str(folder), "--bank", str(BANK), *(["--tiny"] * tiny))
    return run("triton", "perf.adapters.service", str(folder))


def of_demo(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """A step's times, and pictures a minute. Raises MixedError."""
    banked = demo_model(folder)
    steps = demo_steps(banked, given.mixed_size, given.rounds * 5, folder / "steps")
    mixed.make_characters(banked, banked, given.characters)
    mixed.make_characters(mixed.MODELS, folder / "merged", given.characters)
    width, height = map(int, given.mixed_size.split("x"))
    rates = mixed.measure(
        banked,
        folder / "merged",
        (width, height),
        given.steps,
        given.rounds,
        given.at_once,
        given.characters,
        folder,
    )
    return {"steps": steps, "rates": asyncio.run(rates)}


def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Raises BenchError and MixedError."""
    tiny = given.smoke
    size, rounds = given.size, given.rounds
    sdxl = kept(folder / "sdxl.json", lambda: sdxl_steps(folder / "sdxl", size, rounds, tiny=tiny))
    service = kept(folder / "service.json", lambda: of_service(folder / "base", tiny=tiny))
    demo = kept(folder / "demo.json", lambda: of_demo(given, folder / "demo"))
    return summarise(sdxl, demo["steps"], service, demo["rates"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1024x1024", help="of SDXL's picture")
    parser.add_argument("--mixed-size", default="1344x768", help="of the demo's pictures")
    parser.add_argument("--steps", type=int, default=10, help="of the demo's pictures")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--characters", type=int, default=8, help="of the demo, at most 8")
    parser.add_argument("--at-once", type=int, default=4, help="orders of the demo on their way")
    parser.add_argument("--folder", type=Path, help="keep there what was measured, and measure only the rest")
    given = read_options(parser, SMOKE, arguments)
    where = machine()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        try:
            folder = given.folder or Path(name)
            folder.mkdir(parents=True, exist_ok=True)
            figures = measure(given, folder)
        except (BenchError, mixed.MixedError) as error:
            print(f"bench-adapters: {error}", file=sys.stderr)
            return 1
    show(figures)
    publish("adapters", figures, where, smoke=given.smoke)
    return 0


if __name__ == "__main__":
    sys.exit(main())
