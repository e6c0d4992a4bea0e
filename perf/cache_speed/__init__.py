"""The semantic cache's index beside exact search and other stores: see `perf/bench_cache.py`."""
