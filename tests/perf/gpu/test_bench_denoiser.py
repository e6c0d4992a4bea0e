from perf.gpu.bench_denoiser import beside_mlperf


def test_best_rate_at_mlperfs_size_is_held_against_both_its_figures() -> None:
    rows = [
        {"width": 1024, "height": 1024, "pictures_per_s": 1.0},
        {"width": 1024, "height": 1024, "pictures_per_s": 2.3},
        {"width": 1344, "height": 768, "pictures_per_s": 9.0},
    ]
    assert beside_mlperf(rows) == {"best_pictures_per_s": 2.3, "of_mlperf": [1.15, 1.0]}


def test_other_sizes_are_not_held_against_it() -> None:
    assert beside_mlperf([{"width": 1344, "height": 768, "pictures_per_s": 9.0}]) == {}
