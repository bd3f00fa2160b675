# Two commands are all a newcomer needs: `make run` and `make test`. Both set up .venv from nothing with a Python
# (3.11 or newer) and a package index; every package is pinned and hashed in requirements/.
#
#   make run                       answer examples/questions.jsonl with the built-in simulator
#   make run MODEL=openai/gpt-4o-mini ARGS=--fresh     the same job for real, from the start
#   make test ARGS='-k journal'    the test suite, or a part of it
#   make fuzz SEED=123 N=1         one random schedule of the whole engine again; without SEED 2,000 new ones
#   make check                     format, lint, types, architecture
#   make bench ARGS=--quick        the benchmark tables
#   make bench ARGS='--only faults --why'    one part: import, throughput, flight, race, cache, faults, tail, quota, outage, budget, decode, guards
#   make lock                      resolve requirements/ anew

PYTHON ?= python3
MODEL ?=
TARGETS = $(if $(MODEL),-m $(MODEL),-m sim/flaky -m sim/typical --hedge auto)
ARGS ?=
UV_VERSION := 0.13.9

VENV := .venv
BENCH := .venv-bench
BENCH_LITELLM := .venv-bench-litellm
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

.DELETE_ON_ERROR:
.PHONY: help run test fuzz check format bench lock clean

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

# The environments. A stamp is newer than what it was made from; a lock or pyproject.toml that changes makes it again.
define make_venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "penstock needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "setting up $(1) from $(2)" >&2
	@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
	@$(1)/bin/python $(PIP_INSTALL) --require-hashes -r $(2)
endef
install_penstock = @$(1)/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .

$(VENV)/.ready-run: requirements/run.txt pyproject.toml
	$(call make_venv,$(VENV),requirements/run.txt)
	$(call install_penstock,$(VENV))
	@touch $@

$(VENV)/.ready-dev: requirements/dev.txt pyproject.toml
	$(call make_venv,$(VENV),requirements/dev.txt)
	$(call install_penstock,$(VENV))
	@touch $(VENV)/.ready-run $@

$(BENCH)/.ready: requirements/bench.txt pyproject.toml
	$(call make_venv,$(BENCH),requirements/bench.txt)
	$(call install_penstock,$(BENCH))
	@touch $@

$(BENCH_LITELLM)/.ready: requirements/bench-litellm.txt
	$(call make_venv,$(BENCH_LITELLM),requirements/bench-litellm.txt)
	@touch $@

run: $(VENV)/.ready-run
	@mkdir -p out
	@# A run that leaves something unanswered (1) or stops early (3) has a report all the same.
	@set -x; $(VENV)/bin/penstock run examples/questions.jsonl -o out/answers.jsonl $(TARGETS) $(ARGS); \
	  { status=$$?; set +x; } 2>/dev/null; case $$status in 0|1|3) ;; *) exit $$status;; esac; \
	  $(VENV)/bin/penstock report out/answers.jsonl -o out/report.html >/dev/null || exit; \
	  echo "answers: out/answers.jsonl   report: out/report.html   again from the start: make run ARGS=--fresh" >&2; \
	  exit $$status

test: $(VENV)/.ready-dev
	$(VENV)/bin/python -m pytest -n auto --maxprocesses=8 $(ARGS)

fuzz: $(VENV)/.ready-dev
	$(VENV)/bin/python -m tests.fuzz $(if $(SEED),--seed $(SEED)) $(if $(N),-n $(N)) $(ARGS)

check: $(VENV)/.ready-dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q tests/test_architecture.py

format: $(VENV)/.ready-dev
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: $(BENCH)/.ready $(BENCH_LITELLM)/.ready
	$(BENCH)/bin/python -m bench $(ARGS)

# Names and hashes only: no address of an index ever gets into a lock.
UV_COMPILE = .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --no-header --no-annotate $(ARGS)

.venv-lock/bin/uv: Makefile
	@test -x .venv-lock/bin/python || $(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python $(PIP_INSTALL) uv==$(UV_VERSION)
	@touch $@

lock: .venv-lock/bin/uv
	$(UV_COMPILE) pyproject.toml --all-extras --group dev -o requirements/dev.txt
	$(UV_COMPILE) pyproject.toml --group build --constraint requirements/dev.txt -o requirements/run.txt
	$(UV_COMPILE) pyproject.toml --extra aiohttp --group bench --constraint requirements/dev.txt -o requirements/bench.txt
	$(UV_COMPILE) --group bench-litellm -o requirements/bench-litellm.txt

clean:
	rm -rf $(VENV) $(BENCH) $(BENCH_LITELLM) .venv-lock out .mypy_cache .ruff_cache .pytest_cache .hypothesis
