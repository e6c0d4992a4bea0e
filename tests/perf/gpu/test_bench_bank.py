from perf.gpu.bench_bank import compare

SHAPE = {"runner": "eager", "width": 1024, "height": 1024}


def test_a_batch_of_characters_is_held_against_as_many_batches_of_one() -> None:
    times = {("plain", 1): 10.0, ("bank", 1): 11.0, ("plain", 8): 40.0, ("bank", 8): 44.0, ("bank", 4): 30.0}
    rows = [
        {**SHAPE, "network": network, "batch": batch, "ms_per_step": took}
        for (network, batch), took in times.items()
    ]
    one, eight = compare(rows)  # of four there is no other
    assert (one["batch"], one["step_overhead"], one["batch_speedup"]) == (1, 0.1, 0.91)
    assert (eight["batch"], eight["step_overhead"], eight["batch_speedup"]) == (8, 0.1, 1.82)
