# Measurements; what they show and how to read them: perf/README.md. Included by the Makefile.
.PHONY: bench-api bench-picture bench-triton bench-memory bench-start bench-export bench-gpu bench-finish bench-verify \
	bench-watermark bench-watermark-content bench-cache bench-cache-quality bench-hostile bench-events bench-fairness bench-scale bench-limits bench-peers bench-adapters bench-gpu-bank bench-parts

bench-api: install .venv/parts/bench/.installed .venv/parts/wrk/.installed
	.venv/bin/python -m perf.bench_api $(BENCH)

# The bare loop runs beside the development tools: it needs onnxruntime and tokenizers.
bench-picture: install .venv/.dev-installed
	.venv/bin/python -m perf.bench_picture $(BENCH)

bench-triton: install .venv/parts/perf-analyzer/.installed
	.venv/bin/python -m perf.bench_triton $(BENCH)

bench-memory: install
	.venv/bin/python -m perf.bench_memory $(BENCH)

bench-start: install
	.venv/bin/python -m perf.bench_start $(BENCH)

bench-hostile: install
	.venv/bin/python -m perf.bench_hostile $(BENCH)

bench-events: install
	.venv/bin/python -m perf.bench_events $(BENCH)

bench-scale: install
	.venv/bin/python -m perf.bench_scale $(BENCH)

bench-fairness: install
	.venv/bin/python -m perf.bench_fairness $(BENCH)

bench-finish: install
	.venv/bin/python -m perf.bench_finish $(BENCH)

bench-verify: install
	.venv/bin/python -m perf.bench_verify $(BENCH)

# The encoder runs without Triton here, beside the development tools: onnxruntime and tokenizers.
bench-cache-quality: install .venv/.dev-installed
	.venv/bin/python -m perf.cache_quality $(BENCH)

# OPENBLAS_…: set where old builds of numpy need them; this one does not, and is slower with them.
bench-cache: install .venv/parts/bench-cache/.installed
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OPENBLAS_NUM_THREADS=1 \
		.venv/parts/bench-cache/bin/python -m perf.bench_cache $(BENCH)

bench-export: install install-export
	.venv/bin/python -m perf.bench_export $(BENCH)

bench-merge: install install-export
	.venv/bin/python -m perf.bench_merge $(BENCH)

bench-limits: install install-export
	.venv/bin/python -m perf.bench_limits $(BENCH)

bench-adapters: install install-export
	.venv/bin/python -m perf.bench_adapters $(BENCH)

# Each peer has an environment of its own; one that cannot be installed is told in the table.
bench-peers: install install-export
	.venv/bin/python -m perf.peers.install
	.venv/bin/python -m perf.bench_peers $(BENCH)

.venv/parts/peers/%/.installed: perf/peers/locks/%.txt $(UV)
	.venv/bin/python -m perf.peers.install $*

bench-watermark: .venv/parts/bench-watermark/.rivals-installed
	.venv/parts/bench-watermark/bin/python -m perf.watermark $(BENCH)

bench-watermark-content: .venv/parts/bench-watermark/.installed
	.venv/parts/bench-watermark/bin/python -m perf.watermark.content $(BENCH)

.venv/parts/bench-watermark/.rivals-installed: requirements/invisible-watermark.txt .venv/parts/bench-watermark/.installed
	$(UV) pip install --quiet --no-deps --python .venv/parts/bench-watermark/bin/python -r $<
	@touch $@

bench-gpu: install install-export
	.venv/bin/python -m perf.gpu.bench_denoiser $(BENCH)

bench-gpu-bank: install install-export
	.venv/bin/python -m perf.gpu.bench_bank $(BENCH)

# What tests/perf/test_smoke.py needs of the above. Not the other invisible marks (450 MB, half a minute a run):
# without them that run is of ours alone.
bench-parts: $(foreach name,bench bench-cache peers/diffusers perf-analyzer wrk,.venv/parts/$(name)/.installed)

# NVIDIA's perf_analyzer lies in a wheel; of the two libraries that it needs, one comes from Debian.
.venv/parts/perf-analyzer/.installed: requirements/perf-analyzer.txt $(UV)
	$(UV) pip install --quiet --no-deps --target .venv/parts/perf-analyzer -r $<
	@test -e /usr/lib/x86_64-linux-gnu/libb64.so.0d || test -d .venv/parts/perf-analyzer/debian || \
		{ $(call debian,.venv/parts/perf-analyzer/debian,libb64-0d); }
	@touch $@

.venv/parts/wrk/.installed: $(UV)
	@command -v wrk >/dev/null || { $(call debian,.venv/parts/wrk,wrk libluajit-5.1-2); }
	@mkdir -p $(@D) && touch $@

# Unpacks Debian's packages $(2) in the folder $(1), for which nobody needs to be root.
define debian
rm -rf $(1).tmp && mkdir -p $(1).tmp && cd $(1).tmp && { command -v apt-get dpkg >/dev/null || \
	{ echo "$(2): install it with this system's package manager" >&2; exit 1; }; } && \
	{ apt-get download -qq $(2) || { apt-get update -qq && apt-get download -qq $(2); }; } 2>&1 && \
	for package in *.deb; do dpkg -x $$package . || exit 1; done && \
	cd $(CURDIR) && rm -rf $(1) && mv $(1).tmp $(1)
endef
