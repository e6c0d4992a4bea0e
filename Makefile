# Everything starts here: make up, make test.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
LLM ?= on
UV := .venv/bin/uv
# Wheels that lie on this machine (a CPU build of torch, say) are for uv what they are for pip.
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS := $(PIP_FIND_LINKS)
endif
# A user without a home has no folder either for what uv keeps between two runs.
ifndef UV_CACHE_DIR
ifneq ($(shell test -w "$${XDG_CACHE_HOME:-$${HOME:-/nonexistent}}" && echo writable),writable)
export UV_CACHE_DIR := $(CURDIR)/.venv/.uv-cache
endif
endif
ifdef PIP_CERT
export SSL_CERT_FILE ?= $(PIP_CERT)
endif

UP_PARTS := triton servers acs $(if $(filter off,$(LLM)),,llm)
part = .venv/parts/$(1)/.installed
# What people call the environments, and which of those that make up needs each one is.
title_frontend := the API server
title_triton := what Triton's models need
title_servers := Triton and Redis
title_acs := the reviewer
title_llm := the language model (240 MB)
title_export := the exporter (torch)
ALL_PARTS := frontend $(UP_PARTS)
say = @set -- $(ALL_PARTS); number=1; for name; do [ "$$name" = $(1) ] && break; number=$$((number + 1)); done; \
	[ $$number -gt $$\# ] && of= || of=" ($$number/$$\#)"; echo "installing $(or $(title_$(1)),$(1))$$of" >&2

.PHONY: help install install-export up down check sbom audit test test-server test-export test-fast fast-frontend fast-others campaign fuzz coverage clean
.DEFAULT_GOAL := help

help:
	@echo "make up               run the whole system on this machine (Ctrl-C stops it)"
	@echo "    LLM=off           without the packaged language model (240 MB)"
	@echo "    UP=--detach       in the background; make down stops it"
	@echo "    PYTHON=/path/to/python3.11   where python3.11 has another name"
	@echo "make down             stop what runs in the background; accepted jobs are kept"
	@echo "make install          build .venv, which is all that make up needs"
	@echo "make install-export   add what \`imgen export\` needs (torch)"
	@echo "make clean            delete .venv; pictures, jobs and keys stay in .imgen"
	@echo "make test             everything that CI runs"
	@echo "    T=tests/cli       only the tests of these folders, files or single tests"
	@echo "make test-fast        the tests that need no server, in a minute or two"
	@echo "make check            lint, types, spelling and locks alone"
	@echo "make sbom             a bill of materials for each environment and image, CycloneDX, in build/sbom"
	@echo "make audit            known advisories of everything that the locks name; needs the network"
	@echo "make campaign         a fleet under load, whose every part fails at random, audited"
	@echo "make fuzz             small files of every format, changed at random, read as strangers' are"
	@echo "make coverage         what the tests of the server's half run, line by line"
	@echo "make bench-…           measurements: perf/README.md lists them"

up: install
	@.venv/bin/imgen up $(if $(filter off,$(LLM)),--no-llm,) $(UP)

down:
	@.venv/bin/imgen down

install-export: .venv/.installed .venv/parts/export/.installed

install: .venv/.installed $(foreach name,$(UP_PARTS),$(call part,$(name)))

$(UV):
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 is needed; say where it is: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check -r requirements/uv.txt

.venv/.installed: requirements/frontend.txt pyproject.toml $(UV)
	$(call say,frontend)
	@$(UV) pip install --quiet --compile-bytecode --python .venv/bin/python -r $<
	@$(UV) pip install --quiet --python .venv/bin/python --no-deps --editable .
	@touch $@

# Every process that is not the API server has an environment of its own (docs/decisions/).
.venv/parts/%/.installed: requirements/%.txt $(UV)
	$(call say,$*)
	@$(UV) venv --quiet --allow-existing --python .venv/bin/python .venv/parts/$*
	@$(UV) pip install --quiet --compile-bytecode $(if $(filter servers,$*),--no-deps,) --python .venv/parts/$*/bin/python -r $<
	@touch $@

.venv/parts/export/.dev-installed: requirements/export-dev.txt .venv/parts/export/.installed
	$(UV) pip install --quiet --python .venv/parts/export/bin/python -r $<
	@touch $@

.venv/.dev-installed: requirements/dev.txt .venv/.installed
	$(UV) pip install --quiet --compile-bytecode --python .venv/bin/python -r $<
	@touch $@

# The same as .pre-commit-config.yaml.
check: .venv/.dev-installed
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/codespell
	.venv/bin/python requirements/lock.py --check
	.venv/bin/hadolint Dockerfile
	.venv/bin/python requirements/licences.py
	.venv/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml

sbom: install .venv/.dev-installed
	@.venv/bin/python requirements/bill.py

audit: .venv/.dev-installed
	@.venv/bin/python requirements/audit.py

# Two interpreters: export and demo need torch, which nothing else does.
OF_EXPORT := tests/export tests/demo tests/perf/gpu
# One thread each: torch and onnxruntime by turns would spin against each other.
PYTEST_OF_EXPORT := OMP_NUM_THREADS=1 .venv/parts/export/bin/python -m pytest
export_tests := $(filter $(addsuffix %,$(OF_EXPORT)),$(T))
server_tests := $(filter-out $(export_tests),$(T))

ifdef T
test: $(if $(server_tests),install .venv/.dev-installed) $(if $(export_tests),.venv/.installed .venv/parts/export/.dev-installed)
	$(if $(server_tests),.venv/bin/python -m pytest $(server_tests))
	$(if $(export_tests),$(PYTEST_OF_EXPORT) $(export_tests))
else
test: check install .venv/.dev-installed .venv/parts/export/.dev-installed bench-parts
	@# Side by side, each mostly on one core; both to their end. What the second half says is shown last.
	@log=$$(mktemp); trap 'kill $$exporter 2>/dev/null; rm -f $$log; exit 130' INT TERM; \
	$(MAKE) --no-print-directory --keep-going test-export test-perf >$$log 2>&1 & exporter=$$!; \
	$(MAKE) --no-print-directory test-server; server=$$?; \
	wait $$exporter; exporter=$$?; cat $$log; rm -f $$log; exit $$((server || exporter))
endif

test-server:
	.venv/bin/python -m pytest $(addprefix --ignore tests/,export demo perf)

# With the exporter's half, which would else be done long before the other.
test-perf:
	.venv/bin/python -m pytest tests/perf

test-export:
	$(PYTEST_OF_EXPORT) $(OF_EXPORT)

# Two processes, since most tests are one core's work; each is shown when it is done.
test-fast: install .venv/.dev-installed
	@$(MAKE) --no-print-directory -j2 --output-sync fast-frontend fast-others

fast-frontend:
	.venv/bin/python -m pytest -q -m "unit and not slow" tests/frontend

fast-others:
	.venv/bin/python -m pytest -q -m "unit and not slow" $(addprefix --ignore tests/,export demo frontend)

# A fleet under load, whose every part fails at random, audited.
campaign: install .venv/.dev-installed
	.venv/bin/python -m tests.campaign $(CAMPAIGN)

fuzz: install .venv/.dev-installed .venv/parts/export/.installed
	.venv/bin/python -m tests.fuzz $(FUZZ)

# Of the processes that tests start, too.
coverage: install .venv/.dev-installed
	.venv/bin/python -m pytest --ignore tests/export --ignore tests/demo --cov --cov-report term:skip-covered

clean:
	rm -rf .venv

-include perf/bench.mk
