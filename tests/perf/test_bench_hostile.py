import asyncio
from pathlib import Path

from perf.bench_hostile import ALL, Stretch, lateness, summarise
from perf.hostile_clients import BODY, KINDS, AttackedServer, json_of


def stretch(*latencies_ms: float, rss_mb: float = 50.0, loop_ms: float = 1.0, refused: int = 0) -> Stretch:
    return Stretch(latencies_ms, refused, rss_mb, loop_ms, loop_ms / 2)


def test_figures_are_of_all_kinds_by_turns_and_what_came_at_once_stands_beside_them() -> None:
    figures = summarise(
        [stretch(*[1.0] * 50), stretch(*[2.0] * 50)],
        {
            "lists": stretch(*[3.0] * 50, rss_mb=70.0, loop_ms=9.0, refused=2),
            "silence": stretch(*[2.0] * 50, loop_ms=4.0),
            ALL: stretch(*[90.0] * 50, rss_mb=500.0, loop_ms=99.0),
        },
        50.0,
    )
    assert (figures["alone_p99_ms"], figures["hostile_p99_ms"], figures["p99_ratio"]) == (2.0, 3.0, 1.5)
    assert (figures["rss_growth_mb"], figures["loop_ms"], figures["loop_cpu_ms"]) == (20.0, 9.0, 4.5)
    assert figures["refused"] == 2
    assert {kind: one["ratio"] for kind, one in figures["kinds"].items()} == {
        "lists": 1.5,
        "silence": 1.0,
        ALL: 45.0,
    }


def test_lateness_is_that_of_the_lines_within_the_time(tmp_path: Path) -> None:
    file = tmp_path / "lateness"
    file.write_text("1.0 50.0 40.0\n2.0 3.0 1.0\n2.5 2.0 1.5\n4.0 60.0 50.0\n4.5 7")
    assert lateness(file, 1.5, 3.0) == (3.0, 1.5)
    assert lateness(file, 5.0, 6.0) == (0.0, 0.0)


def test_there_are_thirty_kinds_and_large_bodies_are_as_large_as_may_be() -> None:
    assert len(KINDS) == 30
    assert BODY - 16 < len(json_of(b"[],")) <= BODY
    head = AttackedServer(1, "imgen_x", asyncio.Event()).head("A: b", length=5)
    assert head.startswith(
        b"POST /api/v2 HTTP/1.1\r\nHost: api.example\r\nA: b\r\nAuthorization: Bearer imgen_x\r\n"
    )
    assert head.endswith(b"\r\nContent-Length: 5\r\n\r\n")
