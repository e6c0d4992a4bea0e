"""Looking pictures up by what their prompts mean: python -m perf.bench_cache [--entries 1000,100000,1000000]

Each size and each store is measured in a process of its own, on the same vectors
(perf/cache_speed/vectors.py). A rival that is not installed is left out.
"""

import argparse
import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from frontend.cache.index.limits import Limits
from perf.cache_speed import exact, ours
from perf.cache_speed.vectors import queries, write_entries
from perf.report import leave_out, machine, publish, read_options, table

ROOT = Path(__file__).parents[1]
SIZES = (1_000, 100_000, 1_000_000)
RIVALS = ("faiss", "usearch")
RIVALS_MOST = 100_000
INSERTING_S = 5.0
LEAST_RECALL = 0.9  # below, a store answers another question than the others
SMOKE = {"entries": "1000", "queries": 50, "inserting_s": 0.3, "hits": 20}
COLUMNS = ("store", "p50 ms", "p99 ms", "recall@10", "bytes an entry", "built s", "written s", "start s")
KEYS = ("p50_ms", "p99_ms", "recall10", "bytes_per_entry", "build_s", "write_s", "startup_s")


@dataclass(frozen=True)
class Case:
    """One size, in a folder with its vectors."""

    folder: Path
    limits: Limits
    realtime: bool
    asked: int  # queries
    inserting_s: float

    def entries(self) -> Any:
        return np.load(self.folder / "entries.npy", mmap_mode="r")

    def queries(self) -> Any:
        return np.load(self.folder / "queries.npy")

    def truth(self) -> Any:
        return np.load(self.folder / "truth.npy")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", default=",".join(map(str, SIZES)), help="sizes (default: %(default)s)")
    parser.add_argument("--rivals-most", type=int, default=RIVALS_MOST, help="entries that rivals are given")
    parser.add_argument("--queries", type=int, default=1000, help="of each size (default: %(default)s)")
    parser.add_argument(
        "--inserting-s",
        type=float,
        default=INSERTING_S,
        help="of look-ups beside inserts (default: %(default)s)",
    )
    parser.add_argument("--realtime", action="store_true", help="lookups before all else here; for root")
    parser.add_argument(
        "--hits", type=int, default=300, help="whole hits over HTTP; 0: none (default: %(default)s)"
    )
    parser.add_argument(
        "--keep", type=Path, help="folder for vectors and indexes; what is there already is not built anew"
    )
    for name in ("links", "build_width", "search_width"):
        default = getattr(Limits, name)
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, default=default, help="(default: %(default)s)"
        )
    given = read_options(parser, SMOKE)
    where = machine()
    rivals = [name for name in RIVALS if find_spec(name)]
    left_out = [leave_out(name, f"its package in {sys.prefix}") for name in RIVALS if name not in rivals]
    sizes = {}
    for size in map(int, given.entries.split(",")):
        limits = Limits(
            capacity=2 * size + 1_000_000,
            partition_capacity=2 * size + 1_000_000,
            links=given.links,
            build_width=given.build_width,
            search_width=given.search_width,
        )
        with place(given.keep, size) as folder:
            case = Case(folder, limits, given.realtime, given.queries, given.inserting_s)
            sizes[str(size)] = measure(case, size, rivals if size <= given.rivals_most else ())
        show(size, sizes[str(size)])
        check_recall(sizes[str(size)])
    figures = summarise(sizes, given, hits(given.hits) if given.hits else None)
    publish("cache", figures | {"left_out": left_out}, where, smoke=given.smoke)


def check_recall(stores: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises SystemExit where a store finds other entries than exact search."""
    for name, figures in stores.items():
        if figures.get("recall10", 1.0) < LEAST_RECALL:
            sys.exit(
                f"{name} finds {figures['recall10']:.0%} of the nearest: it is not searched as the others"
            )


def hits(rounds: int) -> dict[str, float]:
    """Of perf/cache_hits.py, in the server's own environment."""
    environ = {**os.environ, "OPENBLAS_NUM_THREADS": ""}
    command = (str(ROOT / ".venv" / "bin" / "python"), "-m", "perf.cache_hits", str(rounds))
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"no cache hit was measured: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")
    found: dict[str, float] = orjson.loads(done.stdout)
    table(
        "a whole cache hit over HTTP, on what `imgen up` starts",
        ("", "p50 ms"),
        [("generate, answered from the cache", found["hit_p50_ms"]), ("models", found["models_p50_ms"])],
    )
    return found


@contextlib.contextmanager
def place(kept: Path | None, size: int) -> Iterator[Path]:
    if kept is None:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
    else:
        folder = kept / str(size)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder


def measure(case: Case, size: int, rivals: Sequence[str]) -> dict[str, Any]:
    stores = {"exact": apart(of_exact, case, size), "ours": apart(of_ours, case)}
    stores["ours"] |= apart(of_start, case)
    for rival in rivals:
        stores[rival] = apart(of_rival, case, rival)
    return stores


def apart(work: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """In a process of its own, whose memory nobody used before."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *given).result()


def of_exact(case: Case, size: int) -> dict[str, Any]:
    if not (case.folder / "truth.npy").exists():
        write_entries(case.folder / "entries.npy", size)
    entries = case.entries()
    np.save(case.folder / "queries.npy", queries(entries, case.asked))
    np.save(case.folder / "truth.npy", exact.truth(entries, case.queries()))
    return exact.measure(entries, case.queries(), case.realtime)


def of_ours(case: Case) -> dict[str, Any]:
    folder = case.folder / "snapshots"
    return ours.measure(
        case.limits, case.entries(), case.queries(), case.truth(), folder, case.realtime, case.inserting_s
    )


def of_start(case: Case) -> dict[str, Any]:
    return ours.start(case.limits, case.queries(), case.truth(), case.folder / "snapshots")


def of_rival(case: Case, name: str) -> dict[str, Any]:
    from perf.cache_speed import rivals  # its libraries only here, so that they take none of our memory

    store = rivals.RIVALS[name](case.limits)
    return rivals.measure(
        name, store, case.entries(), case.queries(), case.truth(), case.folder, case.realtime
    )


def show(size: int, stores: dict[str, dict[str, Any]]) -> None:
    rows = [(name, *(figures.get(key, "") for key in KEYS)) for name, figures in stores.items()]
    table(
        f"{size:,} entries; reading them all once takes {stores['exact']['floor_ms']:.3g} ms", COLUMNS, rows
    )
    paces = [
        (name, ours["inserts_per_s"], ours["p50_ms"], ours["p99_ms"])
        for name, ours in ((pace, stores["ours"][pace]) for pace in ("steady", "flooded"))
    ]
    table("ours, while inserting", ("pace", "inserts/s", "lookup p50 ms", "lookup p99 ms"), paces)


def summarise(
    sizes: dict[str, Any], given: argparse.Namespace, hits: dict[str, float] | None
) -> dict[str, Any]:
    million = sizes.get("1000000", {}).get("ours", {})
    return {
        "p99_ms_1m": million.get("p99_ms"),
        "recall10_1m": million.get("recall10"),
        "startup_s_1m": million.get("startup_s"),
        "hit_p50_ms": hits and hits["hit_p50_ms"],
        "models_p50_ms": hits and hits["models_p50_ms"],
        "links": given.links,
        "build_width": given.build_width,
        "search_width": given.search_width,
        "realtime": given.realtime,
        "other_processes": busy_neighbours(),
        "sizes": sizes,
    }


def busy_neighbours() -> int:
    """Processes of others that wanted a processor just now."""
    running = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state = status.read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        running += state == "R" and status.parent.name != str(os.getpid())
    return running


if __name__ == "__main__":
    main()
