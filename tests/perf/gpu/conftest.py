"""The measuring side is tested where torch is, the table's side in the server's environment."""

from importlib.util import find_spec

OF_TORCH, OF_THE_SERVER = (
    ["test_floor.py", "test_measure.py"],
    ["test_bench_bank.py", "test_bench_denoiser.py"],
)
collect_ignore_glob = OF_THE_SERVER if find_spec("torch") else OF_TORCH
