import numpy as np
from noise import standard_noise


def test_a_seed_means_these_numbers_for_ever() -> None:
    expected = [-0.45865920186042786, -1.293858289718628, 0.2517835795879364, 0.8746513724327087]
    assert standard_noise(7, (1, 4)).tolist() == [expected]


def test_noise_is_standard_normal() -> None:
    noise = standard_noise(1, (4, 96, 168))
    assert noise.dtype == np.float32 and noise.shape == (4, 96, 168)
    assert abs(noise.mean()) < 0.02 and abs(noise.std() - 1) < 0.02
    assert abs((np.abs(noise) < 1).mean() - 0.6827) < 0.01


def test_seeds_differ_and_the_largest_is_taken() -> None:
    pictures = [standard_noise(seed, (1, 12, 8, 8)) for seed in (0, 1, 2**63 - 1)]
    correlation = np.corrcoef([picture.ravel() for picture in pictures])
    assert np.abs(correlation - np.eye(3)).max() < 0.15


def test_an_odd_count_is_filled() -> None:
    assert np.isfinite(standard_noise(3, (3, 5, 5))).all()
