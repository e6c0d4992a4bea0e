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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contract.bank import BankSize
from contract.description import read_description
from contract.names import DENOISER, network_name
from perf.adapters import mixed
from perf.adapters.block import BANKED, PLAIN, Block, write_blocks
from perf.report import machine, publish, read_options, table

ROOT = Path(__file__).parent.parent
PARTS = ROOT / ".venv" / "parts"
BANK = BankSize(16, 16)
SMOKE = {"size": "64x64", "rounds": 1, "mixed_size": "256x256", "steps": 1}


class BenchError(Exception):
    """One line."""


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
    run(
        "export",
        "perf.adapters.blocks",
        str(folder),
        "--size",
        size,
        "--bank",
        str(BANK),
        *(["--tiny"] * tiny),
    )
    return run("triton", "perf.adapters.steps", str(folder), str(rounds))


def demo_model(folder: Path) -> Path:
    """The demo's model, exported anew with a bank; its repository."""
    checkpoint, repository = folder / "checkpoint", folder / "repository"
    run(
        "export",
        "export.checkpoints.restore",
        str(mixed.MODELS),
        "--name",
        mixed.MODEL,
        "--output",
        str(checkpoint),
    )
    run(
        *("export", "export", str(checkpoint), "--name", mixed.MODEL),
        *("--output", str(repository), "--adapters", str(BANK)),
    )
    return repository


def demo_steps(banked: Path, size: str, rounds: int, folder: Path) -> dict[str, Any]:
    """Of the whole denoiser, one picture."""
    name = network_name(mixed.MODEL, DENOISER)
    description = read_description(banked / name / "pipeline.json")
    width, height = (int(side) // description.downscale for side in size.split("x"))
    embeddings = (1, 77, sum(description.embedding_widths))
    config = json.loads((banked / name / "checkpoint" / "unet" / "config.json").read_text())
    times = 6 * config["addition_time_embed_dim"]
    pooled = (1, config["projection_class_embeddings_input_dim"] - times)
    shapes = {
        "latents": (1, description.latent_channels, height, width),
        **dict.fromkeys(("sigma", "sigma_next", "guidance"), (1, 1)),
        **dict.fromkeys(("embeddings", "negative_embeddings"), embeddings),
        **dict.fromkeys(("pooled", "negative_pooled"), pooled),
        "time_ids": (1, 6),
    }
    (folder / "0").mkdir(parents=True)
    (folder / "0" / PLAIN).symlink_to(mixed.MODELS / name)
    (folder / "0" / BANKED).symlink_to(banked / name)
    write_blocks(folder, [Block(name, "0", 1, 0, shapes)])
    return run("triton", "perf.adapters.steps", str(folder), str(rounds))


def overhead(steps: Mapping[str, Any], contender: str, measure: str) -> float:
    """How much longer a whole step takes than without a bank: each kind of block as often as it occurs."""
    whole, plain = (
        sum(block["count"] * block[name][measure] for block in steps["blocks"])
        for name in (contender, "plain")
    )
    return round(whole / plain - 1, 4)


def summarise(
    sdxl: Mapping[str, Any],
    demo: Mapping[str, Any],
    service: Mapping[str, Any],
    rates: Mapping[str, Sequence[float]],
) -> dict[str, Any]:
    found: dict[str, Any] = {"bank": str(BANK), "precision": sdxl["precision"]}
    for end, steps in (("", sdxl), ("_demo", demo)):
        found[f"step_overhead{end}"] = overhead(steps, "one", "seconds")
        found[f"step_overhead{end}_cpu"] = overhead(steps, "one", "cpu_seconds")
        found[f"step_overhead{end}_two"] = overhead(steps, "two", "seconds")
        found[f"step_overhead{end}_two_cpu"] = overhead(steps, "two", "cpu_seconds")
        found[f"step_seconds{end}"] = round(_whole(steps, "seconds"), 4)
        found[f"step_cpu_seconds{end}"] = round(_whole(steps, "cpu_seconds"), 4)
        found[f"step_peak_gb{end}"] = round(steps["peak_gb"], 2)
    pairs = zip(rates["bank"], rates["merged"], strict=True)
    lora, locon = service["lora"], service["locon"]
    return found | {
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
        "blocks": list(map(_rounded, sdxl["blocks"])),
    }


def _whole(steps: Mapping[str, Any], measure: str) -> float:
    return float(sum(block["count"] * block["plain"][measure] for block in steps["blocks"]))


def _rounded(block: Mapping[str, Any]) -> dict[str, Any]:
    times = {
        name: {measure: round(value, 5) for measure, value in block[name].items()}
        for name in ("plain", "one", "two")
    }
    return {**block, **times}


def show(figures: Mapping[str, Any]) -> None:
    title = (
        f"SDXL's kinds of blocks, one run each without and with a bank of {BANK}; best of all rounds, "
        f"{figures['precision']}"
    )
    rows = [
        (
            block["name"],
            block["count"],
            *(block[name]["seconds"] for name in ("plain", "one", "two")),
            *(block[name]["cpu_seconds"] for name in ("plain", "one", "two")),
        )
        for block in figures["blocks"]
    ]
    columns = ("block", "count", "s", "one LoRA", "two", "CPU s", "one LoRA", "two")
    table(title, columns, rows)
    named = {
        "a step at SDXL's shapes, one LoRA": "step_overhead",
        "the same by processor time": "step_overhead_cpu",
        "two LoRAs, by processor time": "step_overhead_two_cpu",
        "a step of the demo, one LoRA": "step_overhead_demo",
        "the same by processor time ": "step_overhead_demo_cpu",
        "two LoRAs, by processor time ": "step_overhead_demo_two_cpu",
        "eight characters by turns, beside merged": "mixed_speedup",
        "bytes of a character, SDXL, rank 16": "bytes_per_character",
        "the same with convolutions": "bytes_per_character_conv",
        "seconds from a LoRA to a filled slot": "seconds_to_service",
        "the same with convolutions ": "seconds_to_service_conv",
    }
    table(
        "What a bank costs and gains", ("", "figure"), [(text, figures[name]) for text, name in named.items()]
    )


def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Raises BenchError and MixedError."""
    tiny = given.smoke
    sdxl = sdxl_steps(folder / "sdxl", given.size, given.rounds, tiny=tiny)
    run("export", "perf.adapters.base", str(folder / "base"), "--bank", str(BANK), *(["--tiny"] * tiny))
    service = run("triton", "perf.adapters.service", str(folder / "base"))
    banked = demo_model(folder / "demo")
    demo = demo_steps(banked, given.mixed_size, given.rounds * 5, folder / "demo_steps")
    mixed.make_characters(banked, banked)
    mixed.make_characters(mixed.MODELS, folder / "merged")
    width, height = map(int, given.mixed_size.split("x"))
    rates = asyncio.run(
        mixed.measure(
            banked, folder / "merged", (width, height), given.steps, given.rounds, given.at_once, folder
        )
    )
    return summarise(sdxl, demo, service, rates)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1024x1024", help="of SDXL's picture")
    parser.add_argument("--mixed-size", default="1344x768", help="of the demo's pictures")
    parser.add_argument("--steps", type=int, default=10, help="of the demo's pictures")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--at-once", type=int, default=4, help="orders of the demo on their way")
    given = read_options(parser, SMOKE, arguments)
    where = machine()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        try:
            figures = measure(given, Path(name))
        except (BenchError, mixed.MixedError) as error:
            print(f"bench-adapters: {error}", file=sys.stderr)
            return 1
    show(figures)
    publish("adapters", figures, where, smoke=given.smoke)
    return 0


if __name__ == "__main__":
    sys.exit(main())
