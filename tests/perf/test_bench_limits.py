import numpy as np
import pytest

from perf.bench_limits import LimitsError, LimitsModel, Row, check_alike, row_of, summarise, tasks
from perf.limits.inputs import inputs_of, shape_of
from perf.limits.task import LimitsTask, Outcome, measure
from perf.report import RESULTS

TASK = LimitsTask(
    source="model.onnx", part="denoiser", library="openvino", precision="f32", height=6, width=8, rounds=1,
    output="made.npy",
)  # fmt: skip
MODEL = LimitsModel("sd15", RESULTS, RESULTS, 8, 6)


def row(part: str, contender: str, seconds: float, share: float = 0.5, model: str = "sd15") -> Row:
    return Row(model, part, contender, 100, seconds, 2 * seconds, 0.1, 0.2, share, share, 1)


def test_share_is_the_rate_beside_the_products() -> None:
    outcome = Outcome(
        seconds=2.0, cpu_seconds=3.0, product_tflops=0.2, product_tflops_core=0.1, peak_gb=4.0,
        operations=200_000_000_000,
    )  # fmt: skip
    made = row_of(MODEL, TASK, outcome)
    assert (made.gflop, made.tflops, made.share) == (200.0, 0.1, 0.5)
    assert made.cpu_share == 0.667  # 200 GFLOP in 3 s of a core that does 100 in one


def test_engine_is_the_first_runtime_that_can_and_stands_beside_diffusers() -> None:
    rows = [
        row("denoiser", "openvino bf16", 0.1, 0.9, model="demo"),
        row("denoiser", "openvino bf16", 2.0, 0.6),
        row("denoiser", "openvino f32", 6.0, 0.8),
        row("denoiser", "diffusers bf16", 3.0),
        row("denoiser", "diffusers f32", 9.0),
        row("decoder", "openvino bf16", 1.0, 0.7),
    ]
    assert summarise(rows) == {
        "engine": "openvino bf16",
        "denoiser_share": 0.6,
        "decoder_share": 0.7,
        "engine_vs_diffusers_bf16": 1.5,
        "f32_vs_diffusers_f32": 1.5,
    }


def test_figure_of_what_cannot_run_is_none() -> None:
    figures = summarise([row("denoiser", "openvino f32", 6.0), row("denoiser", "diffusers f32", 9.0)])
    assert figures["engine_vs_diffusers_bf16"] is None and figures["decoder_share"] is None
    assert figures["f32_vs_diffusers_f32"] == 1.5


def test_contenders_that_compute_something_else_end_the_run() -> None:
    made = np.random.default_rng(0).standard_normal((4, 8))
    check_alike(made + 0.1, made, "another")
    for other in (made[::-1], made[:2], np.full_like(made, np.nan)):
        with pytest.raises(LimitsError, match="another computes something else"):
            check_alike(other, made, "another")


def test_each_part_is_measured_in_each_runtime_and_the_step_in_diffusers_too() -> None:
    told = [(task.part, task.contender) for task in tasks(MODEL, 1, (64,), RESULTS)]
    ours = ["openvino bf16", "openvino f32", "onnxruntime f32"]
    assert [name for part, name in told if part == "decoder"] == ours
    assert [name for part, name in told if part == "denoiser"] == [*ours, "diffusers bf16", "diffusers f32"]


def test_inputs_are_of_the_size_asked_for_and_the_same_for_all() -> None:
    assert shape_of((None, 4, None, None), TASK) == (1, 4, 6, 8)
    assert shape_of((None, None, 768), TASK) == (1, 77, 768)
    assert shape_of((None, 1), TASK) == (1, 1)
    one, other = (inputs_of({"latents": (1, 4, 6, 8), "sigma": (1, 1)}, frozenset()) for _ in range(2))
    assert (one["latents"] == other["latents"]).all() and one["sigma"] == 7.0


def test_network_and_product_run_by_turns() -> None:
    order: list[str] = []
    outcome = measure(2, lambda: order.append("network"), [(64, lambda: order.append("product"))])
    assert order == ["product", "product", "network", "product", "network"]  # the first warms it up
    assert 0 < outcome.seconds < 1 and outcome.product_tflops > 0 and outcome.peak_gb > 0
