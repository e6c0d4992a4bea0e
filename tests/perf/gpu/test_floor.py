import pytest
import torch
from torch import nn

from perf.gpu.floor import Ceilings, Work, count, floor_ms
from perf.gpu.timing import gb_per_s_of, seconds, tflops_of


def test_convolution_is_counted_by_hand() -> None:
    work = count(nn.Conv2d(3, 8, 3, padding=1), {"input": torch.ones(2, 3, 10, 20)})
    pixels = 2 * 10 * 20
    assert work.flops == 2 * pixels * 8 * 3 * 3 * 3
    assert work.weight_bytes == 4 * (8 * 3 * 3 * 3 + 8)
    assert work.activation_bytes == 4 * (pixels * 3 + pixels * 8)


def test_linear_layer_in_half_precision_is_counted_by_hand() -> None:
    work = count(nn.Linear(64, 32).half(), {"input": torch.ones(5, 64).half()})
    assert (work.flops, work.weight_bytes) == (2 * 5 * 64 * 32, 2 * (64 * 32 + 32))
    assert work.activation_bytes == 2 * 5 * (64 + 32)


class Attention(nn.Module):
    def forward(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return torch.relu(nn.functional.scaled_dot_product_attention(query, key, key))


def test_attention_reads_its_inputs_and_never_the_scores() -> None:
    query, key = torch.ones(1, 2, 100, 8), torch.ones(1, 2, 50, 8)
    work = count(Attention(), {"query": query, "key": key})
    assert work.flops == 2 * (2 * 2 * 100 * 50 * 8)
    assert work.activation_bytes == 4 * 2 * 8 * (100 + 50 + 50 + 100)


def test_counting_twice_gives_the_same() -> None:
    layer, inputs = nn.Linear(4, 4), {"input": torch.ones(1, 4)}
    assert count(layer, inputs) == count(layer, inputs)


@pytest.mark.parametrize(
    ("work", "least"),
    [
        (Work(flops=10**12, weight_bytes=10**9, activation_bytes=10**9), 10.0),  # 10 ms of sums, 2 of memory
        (Work(flops=10**11, weight_bytes=6 * 10**9, activation_bytes=10**9), 7.0),
    ],
    ids=["arithmetic", "memory"],
)
def test_floor_is_the_bottleneck(work: Work, least: float) -> None:
    assert floor_ms(work, Ceilings(tflops=100, gb_per_s=1000)) == pytest.approx(least)


def test_ceilings_are_counted_as_data_sheets_count_them() -> None:
    assert tflops_of(side=1000, took=0.002) == pytest.approx(1.0)
    assert gb_per_s_of(size=10**9, took=0.5) == pytest.approx(4.0)


def test_work_is_warmed_up_before_it_is_timed() -> None:
    calls: list[int] = []
    assert seconds(lambda: calls.append(1), "cpu", rounds=4, warm_up=2) >= 0
    assert len(calls) == 6
