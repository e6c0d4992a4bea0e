import io
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from PIL import Image

from perf.bench_peers import PeerPlan, percentile, picture_of, psnr_db, row_of, rows_of, summarise
from perf.peers.install import LOCKS
from perf.peers.invokeai_server import graph_of
from perf.peers.order import PeerOrder
from perf.peers.peer import PEERS, REFERENCE
from perf.peers.server_process import last_line
from perf.system import BenchError

PLAN = PeerPlan(family="sd15", width=64, height=64, steps=2, clients=2, pictures=1, turns=2, patience_s=60.0)
FAST = {
    "seconds": 1.0,
    "per_minute": 60.0,
    "p95_s": 2.0,
    "characters_s": 1.5,
    "start_s": 3.0,
    "peak_gib": 4.0,
}
SLOW = {
    "seconds": 2.0,
    "per_minute": 30.0,
    "p95_s": 4.0,
    "characters_s": 3.0,
    "start_s": 3.0,
    "peak_gib": 2.0,
}
ORDER = PeerOrder(prompt="a lake", negative="", width=64, height=64, steps=2, guidance=7.5, seed=1)


def png(pixels: Any) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def keep(folder: Path, name: str, pixels: Any) -> None:
    picture_of(name, folder).parent.mkdir(exist_ok=True)
    picture_of(name, folder).write_bytes(png(pixels))


@pytest.fixture
def grey() -> Any:
    return np.full((64, 64, 3), 128, np.uint8)


def test_nearest_rank_of_eight_waits_is_the_longest() -> None:
    assert percentile([3.0, 1.0, 8.0, 2.0, 5.0, 4.0, 7.0, 6.0], 0.95) == 8.0
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95.0


def test_psnr_counts_how_far_pictures_are_apart(grey: Any) -> None:
    assert psnr_db(png(grey), png(grey)) == 99.0
    assert psnr_db(png(grey), png(grey + 1)) == 48.1
    with pytest.raises(BenchError):
        psnr_db(png(grey), png(grey[:32]))


def test_peer_that_draws_another_picture_from_our_noise_is_no_comparison(tmp_path: Path, grey: Any) -> None:
    keep(tmp_path, REFERENCE, grey)
    keep(tmp_path, "ours", grey + 1)
    rows = {REFERENCE: FAST, "ours": SLOW}
    assert summarise(PLAN, rows, tmp_path)["peers"]["ours"]["psnr_db"] == 48.1
    keep(tmp_path, "ours", grey + 60)
    with pytest.raises(BenchError, match="ours draws another picture"):
        summarise(PLAN, rows, tmp_path)


def test_whoever_is_ahead_is_named_by_column(tmp_path: Path, grey: Any) -> None:
    for name in (REFERENCE, "ours"):
        keep(tmp_path, name, grey)
    behind = summarise(PLAN, {REFERENCE: FAST, "ours": SLOW}, tmp_path)["behind"]
    assert behind["peak_gib"] == []
    assert {name for name, ahead in behind.items() if ahead == [REFERENCE]} == set(behind) - {"peak_gib"}


def test_cut_and_reasons_are_told(tmp_path: Path) -> None:
    figures = summarise(PLAN, {"invokeai": {"left_out": "it did not start"}}, tmp_path)
    assert figures["cut"] == {"size": ["64x64", "1344x768"], "steps": [2, 4], "clients": [2, 8]}
    assert (figures["left_out"], figures["reasons"]) == (["invokeai"], {"invokeai": "it did not start"})


def test_rows_of_an_earlier_run_are_shown_where_they_are_of_the_same_order(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    for name, plan in {"invokeai": PLAN, "fastsd-cpu": replace(PLAN, steps=4)}.items():
        kept = {"plan": asdict(plan), "row": {"left_out": "kept"}}
        row_of(name, tmp_path).write_bytes(orjson.dumps(kept))
    assert rows_of(PLAN, tmp_path) == {"invokeai": {"left_out": "kept"}}


@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*.txt")), ids=lambda lock: lock.stem)
def test_every_package_of_a_peer_is_pinned(lock: Path) -> None:
    lines = lock.read_text().splitlines()
    assert lines and [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[\w.!+]+", line)] == []


def test_every_peer_with_an_environment_has_a_lock() -> None:
    assert {peer.environment for peer in PEERS if peer.environment} == {
        lock.stem for lock in LOCKS.glob("*.txt")
    }


@pytest.mark.parametrize("character", ["", "aya"])
def test_graph_for_invokeai_has_no_loose_end(character: Any) -> None:
    graph = graph_of(replace(ORDER, character=character), {"": {"key": "m"}, "aya": {"key": "l"}})
    ends = {edge[side]["node_id"] for edge in graph["edges"] for side in ("source", "destination")}
    assert ends == set(graph["nodes"])
    assert ("lora" in ends) is bool(character)


def test_reason_is_the_first_exception_of_a_log_else_its_last_line(tmp_path: Path) -> None:
    log = tmp_path / "peer.log"
    log.write_text("starting\nRuntimeError: no such operator\n  in line 3\nImportError: see above\nbye\n")
    assert last_line(log) == "RuntimeError: no such operator"
    log.write_text("starting\nout of disk\n\n")
    assert last_line(log) == "out of disk"
    log.write_text("")
    assert last_line(log) == "it said nothing"
