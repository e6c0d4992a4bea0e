"""This server beside what people would use instead, all drawing from one checkpoint on this machine.

python -m perf.bench_peers [--only ours,invokeai] [--size 1344x768] [--steps 4] [--clients 8] [--family sd15]

By turns in one run, each started as its users start it and ended before the next. What was measured is kept
in --folder, row by row: --only measures these anew and shows all rows of the same order. Peers that take a
noise tensor must draw the reference's picture; one that cannot be installed or run is named, with the reason.
"""

import argparse
import asyncio
import contextlib
import functools
import io
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import orjson
from PIL import Image

from embedded.part import python_of
from frontend.settings import ROOT
from perf.peers.install import python_of_peer, reason_missing
from perf.peers.order import PeerOrder
from perf.peers.ours_server import add_characters, job_of, write_entry
from perf.peers.peer import PEERS, REFERENCE, Peer, PeerServer
from perf.peers.server_process import PeakMemory
from perf.report import machine, median, publish, read_options, table
from perf.system import BenchError

PROMPT = "a small boat on a calm lake, mountains, warm lighting"
GUIDANCE, SEED = 7.5, 20_000
SMOKE = {
    "only": f"{REFERENCE},ours", "size": "256x256", "steps": 1, "clients": 2, "pictures": 1, "turns": 2,
}  # fmt: skip
WRITTEN = ("checkpoint", "loras/aya.safetensors", "loras/bella.safetensors", "repository/eros-decoder")
COLUMNS = ("seconds", "per_minute", "p95_s", "characters_s", "peak_gib")
ISSUE = {"size": "1344x768", "steps": 4, "clients": 8}  # what a run without options measures


Keep = Callable[[Mapping[str, Any]], None]  # of a row, as far as it is measured


@dataclass(frozen=True, kw_only=True)
class PeerPlan:
    family: str
    width: int
    height: int
    steps: int
    clients: int  # each asks for one picture, all at once
    pictures: int  # one after the other
    turns: int  # of two characters
    patience_s: float  # for one picture
    tiny: bool = False

    def order(self, folder: Path) -> PeerOrder:
        """As our server composes it, so that all networks are given the same words."""
        job = job_of(PROMPT, (self.width, self.height), SEED, folder)
        return PeerOrder(
            prompt=job.positive,
            negative=job.negative,
            width=self.width,
            height=self.height,
            steps=self.steps,
            guidance=GUIDANCE,
            seed=SEED,
        )


async def measure(peer: Peer, plan: PeerPlan, folder: Path, keep: Keep) -> None:
    """Keeps the peer's row, column by column, and its first picture in FOLDER/pictures. Raises BenchError."""
    order, clients = plan.order(folder), aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=clients, timeout=timeout) as http:
        began = time.perf_counter()
        async with peer.start(folder, PROMPT, http) as server:
            row: dict[str, Any] = dict.fromkeys(COLUMNS)
            row["start_s"], memory = round(time.perf_counter() - began, 1), PeakMemory(server.pid)
            async with memory.watched():
                async for figures in _figures(server, peer, plan, order, folder):
                    row |= figures
                    keep({**row, "peak_gib": round(memory.gib, 2)})


async def _figures(
    server: PeerServer, peer: Peer, plan: PeerPlan, order: PeerOrder, folder: Path
) -> AsyncIterator[dict[str, Any]]:
    """Columns, as they are measured: a run that is cut short leaves those before."""
    try:
        async with asyncio.timeout(plan.patience_s):
            first = await server.draw(order)
    except TimeoutError:
        raise BenchError(f"no picture within {plan.patience_s:.0f} s") from None
    picture_of(peer.name, folder).write_bytes(first)
    alone = [await _seconds(server, replace(order, seed=SEED + n)) for n in range(1, plan.pictures + 1)]
    yield {"seconds": median(alone)}
    began = time.perf_counter()
    waits = await asyncio.gather(
        *(_seconds(server, replace(order, seed=SEED + 100 + n)) for n in range(plan.clients))
    )
    together = time.perf_counter() - began
    yield {"per_minute": round(60 * plan.clients / together, 2), "p95_s": round(percentile(waits, 0.95), 2)}
    if peer.characters and plan.turns:
        switched = []
        for character in ("aya", "bella"):  # loaded with the first one
            await _seconds(server, replace(order, character=character))
        for turn in range(plan.turns):
            switched.append(
                await _seconds(server, replace(order, seed=SEED + turn, character=("aya", "bella")[turn % 2]))
            )
        yield {"characters_s": median(switched)}


async def _seconds(server: PeerServer, order: PeerOrder) -> float:
    began = time.perf_counter()
    await server.draw(order)
    return time.perf_counter() - began


def percentile(values: Sequence[float], share: float) -> float:
    """By nearest rank: of eight values the 95th is the largest."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def psnr_db(ours: bytes, theirs: bytes) -> float:
    """Of two encoded pictures; at most 99, which is what equal ones have. Raises BenchError."""
    first, second = (
        np.asarray(Image.open(io.BytesIO(one)).convert("RGB"), np.float64) for one in (ours, theirs)
    )
    if first.shape != second.shape:
        raise BenchError(f"pictures of {first.shape[:2]} and {second.shape[:2]}")
    error = float(((first - second) ** 2).mean())
    return 99.0 if error == 0 else round(min(99.0, 10 * math.log10(255**2 / error)), 1)


def picture_of(name: str, folder: Path) -> Path:
    return folder / "pictures" / f"{name}.png"


def prepare(plan: PeerPlan, peers: Sequence[Peer], folder: Path) -> dict[str, str]:
    """Checkpoint, LoRAs, our repository, optimum's export. Who lacks something, and why. BenchError."""
    options = ["--family", plan.family, *(["--tiny"] if plan.tiny else [])]
    if not all((folder / made).exists() for made in WRITTEN):
        _step(python_of("export"), "-m", "perf.peers.checkpoint", str(folder), *options)
    for name in ("pictures", "rows"):
        (folder / name).mkdir(exist_ok=True)
    write_entry(folder, plan.steps, GUIDANCE)
    if any(peer.name == "ours" for peer in peers):
        asyncio.run(add_characters(folder))
    wanted = [peer for peer in peers if peer.needs_openvino and not reason_missing("openvino")]
    if not wanted or (folder / "openvino").is_dir():
        return {}
    made = folder / "openvino.tmp"
    shutil.rmtree(made, ignore_errors=True)
    optimum = python_of_peer("openvino").with_name("optimum-cli")
    try:
        _step(
            str(optimum), "export", "openvino", "--task", "text-to-image", "--weight-format", "fp32",
            "--model", str(folder / "checkpoint"), str(made),
        )  # fmt: skip
    except BenchError as error:
        return {peer.name: str(error) for peer in wanted}
    made.rename(folder / "openvino")
    return {}


def _step(*command: str) -> None:
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "PATH": path}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise BenchError(f"{Path(command[0]).name}: {said[-1][:300]}")


def run(plan: PeerPlan, names: Sequence[str], folder: Path) -> dict[str, Any]:
    """Measures these and shows every row of this plan that the folder has. Raises BenchError."""
    chosen = [peer for peer in PEERS if peer.name in names]
    missing = {peer.name: reason_missing(peer.environment) for peer in chosen if peer.environment}
    missing = {name: why for name, why in missing.items() if why}
    missing |= prepare(plan, [peer for peer in chosen if peer.name not in missing], folder)
    for peer in chosen:
        keep = functools.partial(_keep, peer.name, plan, machine(), folder)
        if peer.name in missing:
            keep({"left_out": missing[peer.name]})
            continue
        print(f"measuring {peer.name}", file=sys.stderr)
        try:
            asyncio.run(measure(peer, plan, folder, keep))
        except (BenchError, aiohttp.ClientError, TimeoutError) as error:
            if peer.name in (REFERENCE, "ours"):
                raise BenchError(f"{peer.name}: {error}") from None
            keep({"left_out": str(error) or type(error).__name__})
    return summarise(plan, rows_of(plan, folder), folder)


def _keep(name: str, plan: PeerPlan, where: Mapping[str, Any], folder: Path, row: Mapping[str, Any]) -> None:
    kept = {"plan": asdict(plan), "machine": where, "row": row}
    row_of(name, folder).write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2))


def row_of(name: str, folder: Path) -> Path:
    return folder / "rows" / f"{name}.json"


def rows_of(plan: PeerPlan, folder: Path) -> dict[str, dict[str, Any]]:
    """What was measured in this run or in earlier ones of the same plan, by peer."""
    found = {}
    for peer in PEERS:
        with contextlib.suppress(FileNotFoundError):
            kept = orjson.loads(row_of(peer.name, folder).read_bytes())
            if kept["plan"] == asdict(plan):
                found[peer.name] = kept["row"]
    return found


def summarise(plan: PeerPlan, rows: Mapping[str, dict[str, Any]], folder: Path) -> dict[str, Any]:
    """The figures. Raises BenchError where one that takes our noise does not draw the reference's picture."""
    peers: dict[str, Any] = {}
    for peer in PEERS:
        if (row := rows.get(peer.name)) is None or "left_out" in row:
            continue
        apart = _psnr(peer, folder) if REFERENCE in rows else None
        peers[peer.name] = {**row, "psnr_db": apart, "noise": peer.noise, "same": peer.same}
    left_out = {name: row["left_out"] for name, row in rows.items() if "left_out" in row}
    cut = {name: [getattr(plan, name) if name != "size" else f"{plan.width}x{plan.height}", full]
           for name, full in ISSUE.items()}  # fmt: skip
    return {
        "plan": asdict(plan),
        "cut": {name: pair for name, pair in cut.items() if pair[0] != pair[1]},
        "peers": peers,
        "reasons": left_out,
        "left_out": sorted(left_out),
        "behind": _behind(peers),
    }


def _psnr(peer: Peer, folder: Path) -> float | None:
    if peer.alike_db is None:
        return None
    apart = psnr_db(picture_of(peer.name, folder).read_bytes(), picture_of(REFERENCE, folder).read_bytes())
    if apart < peer.alike_db:
        raise BenchError(
            f"{peer.name} draws another picture than {REFERENCE}: {apart} dB, expected {peer.alike_db}"
        )
    return apart


def _behind(peers: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """By column: the peers that are better than ours."""
    ours = peers.get("ours")
    if ours is None:
        return {}
    found: dict[str, list[str]] = {}
    for column in COLUMNS:
        sign = -1 if column == "per_minute" else 1
        found[column] = [
            name
            for name, row in peers.items()
            if None not in (row[column], ours[column]) and sign * row[column] < sign * ours[column]
        ]
    return found


def show(figures: Mapping[str, Any]) -> None:
    plan = figures["plan"]
    rows = [
        (name, *("-" if row[column] is None else row[column] for column in (*COLUMNS, "psnr_db")))
        for name, row in figures["peers"].items()
    ]
    caption = (
        f"{plan['family']}, {plan['width']}x{plan['height']}, {plan['steps']} steps; "
        f"{plan['clients']} clients at once; PSNR: to {REFERENCE}, where our noise is taken"
    )
    table(
        caption,
        ("", "s/picture", "pictures/min", "p95 s", "s, two characters by turns", "peak GiB", "dB"),
        rows,
    )
    for name, (measured, full) in figures["cut"].items():
        print(f"cut: {name} {measured} instead of {full}")
    for name, row in figures["peers"].items():
        print(f"{name}: the same {row['same']}")
    for name, why in figures["reasons"].items():
        print(f"{name} is left out: {why}")
    for column, names in figures["behind"].items():
        if names:
            print(f"ahead of ours in {column}: {', '.join(names)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default=",".join(peer.name for peer in PEERS), help="(default: %(default)s)"
    )
    parser.add_argument("--family", choices=("sd15", "sdxl"), default="sd15")
    parser.add_argument("--size", default=ISSUE["size"])
    parser.add_argument("--steps", type=int, default=ISSUE["steps"])
    parser.add_argument("--clients", type=int, default=ISSUE["clients"])
    parser.add_argument("--pictures", type=int, default=3)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--patience", type=float, default=1800.0, help="seconds for one picture")
    parser.add_argument("--folder", type=Path, help="kept; SD 1.5: 10 GB (default: build/peers)")
    given = read_options(parser, SMOKE)
    width, _, height = given.size.partition("x")
    plan = PeerPlan(
        family=given.family,
        width=int(width),
        height=int(height),
        steps=given.steps,
        clients=given.clients,
        pictures=given.pictures,
        turns=given.turns,
        patience_s=given.patience,
        tiny=given.smoke,
    )
    where = machine()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started ends with us
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = given.folder or (Path(name) if given.smoke else ROOT / "build" / "peers")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            figures = run(plan, given.only.split(","), folder.resolve())
        except BenchError as error:
            sys.exit(f"bench-peers: {error}")
        show(figures)
        publish("peers", figures, where, smoke=given.smoke)


if __name__ == "__main__":
    main()
