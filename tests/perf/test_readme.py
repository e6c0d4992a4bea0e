"""The README shows the figures of perf/results/, misses included."""

from pathlib import Path

import orjson
import pytest

ROOT = Path(__file__).parents[2]
SPEED = (ROOT / "README.md").read_text().partition("## How fast")[2].partition("\n## ")[0]
FIGURES = {name: orjson.loads((ROOT / f"perf/results/{name}.json").read_bytes()) for name in (
    "api", "cache", "cache-quality", "finish", "hostile", "limits", "memory", "picture", "start", "triton",
    "watermark",
)}  # fmt: skip
PICTURE, TRITON = FIGURES["picture"], FIGURES["triton"]
FIRST, AGAIN = FIGURES["start"]["first"], FIGURES["start"]["again"]
WHOLE_MB = {phase: mib * 2**20 / 1e6 for phase, mib in FIGURES["memory"]["whole_mib"].items()}


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ("`models`", f"{FIGURES['api']['models_vs_bare']:.2f}"),
        ("`status` of finished jobs beside a bare", f"{FIGURES['api']['status_vs_bare']:.2f}"),
        ("`status` of finished jobs beside a FastAPI", f"{FIGURES['api']['status_vs_fastapi']:.2f}"),
        ("`generate` of a repeated prompt", f"{FIGURES['api']['hit_vs_models']:.2f}"),
        ("one 1344x768 picture", f"{1 + PICTURE['overhead']:.3f}"),
        ("the same picture", f"{1 + PICTURE['overhead_whole']:.2f}"),
        ("pictures/s", f"{TRITON['pictures_per_s']['8'] / TRITON['pictures_per_s']['1']:.2f}"),
        ("pictures/s", f"(mean batch of a denoising step {TRITON['mean_batch']['8']:.1f})"),
        ("operations/s", f"| {FIGURES['limits']['denoiser_share']:.2f} |"),
        ("operations/s", f"its decoder {FIGURES['limits']['decoder_share']:.2f}"),
        ("operations/s", f"takes {FIGURES['limits']['f32_vs_diffusers_f32']:.2f} times as long"),
        ("memory", f"{FIGURES['memory']['largest_growth']:.2f}"),
        ("finishing a picture", f"{FIGURES['finish']['vs_parts']:.2f}"),
        ("p99 of a good client", f"{FIGURES['hostile']['p99_ratio']:.2f}"),
        ("p99 of a good client", f"{FIGURES['hostile']['rss_growth_mb']:.0f} MB"),
        ("p99 of a good client", f"{FIGURES['hostile']['loop_ms']:.0f} ms"),
        ("p99 of a good client", f"{FIGURES['hostile']['loop_cpu_ms']:.0f} ms of processor time"),
        ("Two cores", f"finish {FIGURES['finish']['per_second']:.0f} pictures"),
        ("Two cores", f"{FIGURES['finish']['loop_block_ms']:.1f} ms at most"),
        ("That picture", f"{PICTURE['seconds']:.2f} s"),
        ("That picture", f"finishing was {PICTURE['api_ms']['finish']:.0f} ms"),
        ("That picture", f"review {PICTURE['api_ms']['review']:.0f} ms"),
        ("`imgen up`", f"after {AGAIN['ready_s']:.1f} s"),
        ("`imgen up`", f"{FIRST['ready_s']:.1f} s the first time"),
        ("Its first picture", f"comes {AGAIN['first_picture_s']:.1f} s later"),
        ("Its first picture", f"take {AGAIN['later_picture_s']:.1f} s"),
        ("Memory of all", f"{WHOLE_MB['picture']:,.0f} MB at the highest moment"),
    ],
)
def test_figure_is_the_measured_one(row: str, shown: str) -> None:
    (line,) = [line for line in SPEED.splitlines() if line.removeprefix("| ").startswith(row)]
    assert shown in line


@pytest.mark.parametrize(
    ("row", "missed"),
    [
        ("`models`", FIGURES["api"]["models_vs_bare"] < 0.7),
        ("`status` of finished jobs beside a FastAPI", FIGURES["api"]["status_vs_fastapi"] <= 3),
        ("`generate` of a repeated prompt", FIGURES["api"]["hit_vs_models"] < 0.25),
        ("one 1344x768 picture", PICTURE["overhead"] > 0.1),
        ("operations/s", FIGURES["limits"]["denoiser_share"] < 0.6),
        ("memory", FIGURES["memory"]["largest_growth"] > 1.1),
        ("finishing a picture", FIGURES["finish"]["vs_parts"] > 1.1),
        (
            "p99 of a good client",
            FIGURES["hostile"]["p99_ratio"] > 2
            or FIGURES["hostile"]["rss_growth_mb"] > 100
            or FIGURES["hostile"]["loop_ms"] > 20,
        ),
    ],
)
def test_missed_aim_is_called_missed(row: str, missed: bool) -> None:
    (line,) = [line for line in SPEED.splitlines() if line.startswith(f"| {row}")]
    assert ("missed" in line) is missed


@pytest.mark.parametrize(
    ("row", "missed"),
    [
        ("`imgen up`", AGAIN["ready_s"] > 4.5),
        ("Its first picture", AGAIN["first_picture_s"] > 1.9),
        ("Memory of all", WHOLE_MB["picture"] > 1000),
    ],
)
def test_missed_aim_of_a_start_is_called_missed(row: str, missed: bool) -> None:
    (line,) = [line for line in SPEED.splitlines() if line.startswith(row)]
    assert ("missed" in line) is missed


CACHE, QUALITY, MARK = FIGURES["cache"], FIGURES["cache-quality"], FIGURES["watermark"]


@pytest.mark.parametrize(
    "shown",
    [
        f"{CACHE['hit_p50_ms']:.1f} ms over HTTP",
        f"{CACHE['p99_ms_1m']:.2f} ms at most",
        f"{100 * CACHE['recall10_1m']:.1f} % of the ten nearest",
        f"{100 * QUALITY['held_out_hits']:.0f} % of those that it should",
        f"{100 * QUALITY['held_out_false_hits']:.1f} % of those that it must not",
        f"{100 * MARK['single']:.1f} % of single attacks",
        f"{100 * MARK['pairs']:.1f} % of pairs",
        f"{MARK['psnr']:.1f} dB",
    ],
)
def test_figure_of_the_cache_and_the_mark_is_the_measured_one(shown: str) -> None:
    assert shown in " ".join(SPEED.split())


def test_missed_recall_is_called_missed() -> None:
    told = " ".join(SPEED.split()).partition("of the ten nearest")[2].partition(")")[0]
    assert ("missed" in told) is (CACHE["recall10_1m"] < 0.99)
