import json

import pytest

from perf.analyzer import AnalyzerLoad
from perf.bench_triton import PROMPTS, Level, Plan, orders, step_shape, summarise
from perf.triton_statistics import Account

PLAN = Plan(model="eros", width=1344, height=768, steps=8, downscale=32, concurrency=(1, 2))


@pytest.mark.parametrize(
    ("name", "declared", "shape"),
    [
        ("latents", [24, -1, -1], [24, 24, 42]),
        ("embeddings", [-1, 128], [77, 128]),
        ("pooled", [64], [64]),
    ],
)
def test_free_axes_are_filled(name: str, declared: list[int], shape: list[int]) -> None:
    assert step_shape(name, declared, PLAN) == shape


def test_each_prompt_is_one_order_with_a_seed_of_its_own() -> None:
    made = orders(PLAN, json.loads(PROMPTS.read_text()))
    assert len(made) >= 8
    assert len({order["seed"][0] for order in made}) == len(made)
    assert made[0]["width"] == [1344]


def test_figures_are_keyed_by_concurrency() -> None:
    account = Account(inferences=16, executions=8, queue_ns=0, compute_ns=0, copy_ns=0)
    level = Level(AnalyzerLoad(0.5, 2000.0, 2500.0), {"eros-denoiser": account})
    figures = summarise("eros", {2: level}, {2: level})
    assert figures["pictures_per_s"] == {"2": 0.5}
    assert figures["mean_batch"] == {"2": 2.0}
    assert figures["picture_p90_ms"] == {"2": 2500}
