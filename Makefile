# Two commands matter: `make demo` and `make test`. They need python3.11+ and make, nothing else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null)
BENCHES := leaks noise features quality shap faults writeback forecast experiment report worklist http loops init_shapes attack scale

EXTRAS := tune serve notebook postgres mysql scale

.DEFAULT_GOAL := help
.PHONY: help demo test test-wheel test-all lint format docs reference peers debian tryton lock clean \
        bench bench-full bench-laboratory $(BENCHES:%=bench-%)

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# A lock names every package, so the installer has nothing to look up: --no-deps. Without it, pip
# before 23.3 does not see that the locked `coverage` is the `coverage[toml]` which pytest-cov asks
# for, takes the newest one of the index, and stops once that is newer than the lock. `pip check`
# then tells whether the lock was complete. uv, where it is installed, takes the same options.
pip = $(if $(UV),$(UV) pip $(2) --python $(1)/bin/python,$(1)/bin/python -m pip $(2) --disable-pip-version-check)
install = $(call pip,$(1),install) --quiet --no-deps
check = $(call pip,$(1),check) || { echo "remove the folder $(1) and run make again"; exit 1; }

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(call install,$(VENV)) --require-hashes -r requirements.lock
	$(call install,$(VENV)) --no-build-isolation --editable .
	$(call check,$(VENV))
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock $(VENV)/.ready
	$(call install,$(VENV)) --require-hashes -r requirements-dev.lock
	$(call check,$(VENV))
	@touch $@

demo: $(VENV)/.ready ## demo data -> train -> score -> embedded CRM -> report; run it again: nothing is sent twice
	$(BIN)/leadscore demo

lint: $(VENV)/.ready-dev ## ruff, mypy strict, one-way arrows, generated docs are current
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.reference --check

format: $(VENV)/.ready-dev ## let ruff write the layout
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

reference: $(VENV)/.ready ## write what is generated: commands, keys of the project file, its JSON Schema, HTTP
	$(BIN)/python -m tests.reference --write

docs: reference $(VENV)/.ready-dev ## build the site in build/docs, offline, notebooks executed; a warning is an error
	$(BIN)/python -m sphinx -W --keep-going --quiet -b html docs build/docs
	@echo "build/docs/index.html"

debian: ## Debian packages of the optional tests: Chromium, PostgreSQL, MariaDB, Noto fonts (skipped where they can't be installed)
	@sh .ci/debian

$(VENV)-tryton/.ready: requirements-tryton.lock
	$(PYTHON) -m venv $(VENV)-tryton
	$(call install,$(VENV)-tryton) --require-hashes -r requirements-tryton.lock
	$(call check,$(VENV)-tryton)
	@touch $@

tryton: $(VENV)-tryton/.ready ## a real CRM in an environment of its own

test: lint debian tryton ## everything but the slow proofs
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-wheel: $(VENV)/.ready-dev ## the same tests on the wheel alone, as it is shipped, without those that need the checkout
	$(BIN)/python -m tests.on_the_wheel -n 2 --dist loadfile

test-all: lint debian tryton ## the slow proofs too; needs LEADSCORE_DATA
	@test -n "$$LEADSCORE_DATA" || { echo "make test-all needs LEADSCORE_DATA, the folder of real data sets"; exit 2; }
	$(BIN)/python -m pytest -n 2 --dist loadfile

peers: $(VENV)-peers/.ready ## the tools we are measured against, in an environment of their own

$(VENV)-peers/.ready: $(wildcard benchmarks/requirements-*.txt)
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-peers.txt
	$(PYTHON) -m venv $(VENV)-peers/featuretools
	$(VENV)-peers/featuretools/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-featuretools.txt
	$(PYTHON) -m venv $(VENV)-peers/autogluon
	$(VENV)-peers/autogluon/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-autogluon.txt
	@touch $@

bench: $(VENV)/.ready-dev peers ## the short version of every benchmark, within 20 minutes
	$(BIN)/python -m benchmarks.all

bench-full: $(VENV)/.ready-dev peers ## every claim in full size; hours
	$(BIN)/python -m benchmarks.all --full

bench-quality: bench-laboratory

bench-laboratory: $(VENV)/.ready-dev peers ## the sets on which ideas of fitting are judged
	$(BIN)/python -m benchmarks.quality_lab --full

$(BENCHES:%=bench-%): bench-%: $(VENV)/.ready-dev peers ## one claim
	$(BIN)/python -m benchmarks.$* --full

# Pins stay as they are unless something asks for others; `make lock UPGRADE=--upgrade` takes the newest.
COMPILE = uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 \
          --generate-hashes \
          --annotation-style line --custom-compile-command "make lock" $(UPGRADE)

lock: ## renew the locks (needs uv)
	$(COMPILE) pyproject.toml $(EXTRAS:%=--extra %) --group build -o requirements.lock
	$(COMPILE) --group dev --constraints requirements.lock -o requirements-dev.lock
	$(COMPILE) requirements-tryton.in -o requirements-tryton.lock

clean: ## remove what was made; keeps environments
	rm -rf .leadscore out build .pytest_cache .mypy_cache .ruff_cache .hypothesis
