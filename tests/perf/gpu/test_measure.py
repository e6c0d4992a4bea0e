"""The whole measuring side at tiny size on the CPU: its arithmetic, not its figures."""

import json
from collections.abc import Mapping
from itertools import pairwise

import pytest
import torch

from export.networks.trace import example_inputs
from perf.gpu.floor import count
from perf.gpu.measure import DOWNSCALE, STEPS, TINY, denoiser, draw, main
from perf.gpu.runners import RUNNERS

SIZES = {"height": 16, "width": 24, "tokens": 77}


@pytest.mark.filterwarnings("ignore")  # torch compiles by deprecated parts of its own
def test_every_runner_makes_torchs_step() -> None:
    network = denoiser(TINY, "cpu", torch.float32)
    inputs = example_inputs(network.part, {"batch": 2, **SIZES})
    with torch.no_grad():
        wanted = network.module(**inputs)
        for name, runner in RUNNERS.items():
            made = runner(network, 2, DOWNSCALE)(inputs)
            assert float((made - wanted).abs().max()) < 1e-4, name


def test_guidance_doubles_the_work_and_the_batch_multiplies_it() -> None:
    network = denoiser(TINY, "meta", torch.float32)
    one, four = (
        count(network.module, example_inputs(network.part, {"batch": batch, **SIZES})) for batch in (1, 4)
    )
    assert four.flops == 4 * one.flops
    assert four.weight_bytes == one.weight_bytes
    assert four.activation_bytes == 4 * one.activation_bytes


def test_picture_takes_twenty_steps_from_noise_to_none() -> None:
    levels: list[tuple[float, float]] = []

    def step(inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        levels.append((float(inputs["sigma"]), float(inputs["sigma_next"])))
        return inputs["latents"] + 1

    inputs = {"latents": torch.zeros(1, 4, 2, 2), "sigma": torch.ones(1, 1), "sigma_next": torch.ones(1, 1)}
    made = draw(step, inputs, None)
    assert len(levels) == STEPS and float(made.max()) == STEPS
    assert levels[0][0] == 1 and levels[-1][1] == 0
    assert all(after == before for (_, after), (before, _) in pairwise(levels))


def test_report_has_a_row_for_each_runner_and_shape(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--tiny", "--device", "cpu", "--dtype", "float32", "--runners", "eager", "--rounds", "1"]
    assert main([*options, "--batches", "1,2", "--sizes", "64x64"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(row["runner"], row["batch"], row["width"]) for row in report["rows"]] == [
        ("eager", 1, 64),
        ("eager", 2, 64),
    ]
    assert report["device"] == "cpu" and report["tflops"] > 0 and report["gb_per_s"] > 0
    assert all(row["pictures_per_s"] > 0 and row["floor_ms"] > 0 for row in report["rows"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_way_to_try_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "--tiny --device cpu" in capsys.readouterr().err
