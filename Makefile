# Two commands matter: `make demo` and `make test`. They need python3.11+ and make, nothing else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
BENCHES := leaks hazard features quality shap faults writeback forecast experiment report http

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint format docs peers debian tryton lock clean \
        bench bench-full $(BENCHES:%=bench-%)

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/.ready ## demo data -> train -> score -> embedded CRM -> report; run it again: nothing is sent twice
	$(BIN)/leadscore demo

lint: $(VENV)/.ready ## ruff, mypy strict, one-way arrows, generated docs are current
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m serving.cli.reference --check README.md

format: $(VENV)/.ready ## let ruff write the layout
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.ready ## write the generated parts of the README
	$(BIN)/python -m serving.cli.reference --write README.md

debian: ## Debian packages of the optional tests: Chromium, PostgreSQL, MariaDB, Noto fonts (skipped where they can't be installed)
	@sh .ci/debian

$(VENV)-tryton/.ready: requirements-tryton.lock
	$(PYTHON) -m venv $(VENV)-tryton
	$(VENV)-tryton/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-tryton.lock
	@touch $@

tryton: $(VENV)-tryton/.ready ## a real CRM in an environment of its own

test: $(VENV)/.ready lint debian tryton ## everything but the slow proofs
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-all: $(VENV)/.ready lint debian tryton ## the slow proofs too; needs LEADSCORE_DATA
	@test -n "$$LEADSCORE_DATA" || { echo "make test-all needs LEADSCORE_DATA, the folder of real data sets"; exit 2; }
	$(BIN)/python -m pytest -n 2 --dist loadfile

peers: $(VENV)-peers/.ready ## the tools we are measured against, in an environment of their own

$(VENV)-peers/.ready: benchmarks/requirements-peers.txt benchmarks/requirements-featuretools.txt
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-peers.txt
	$(PYTHON) -m venv $(VENV)-peers/featuretools
	$(VENV)-peers/featuretools/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-featuretools.txt
	@touch $@

bench: $(VENV)/.ready peers ## the short version of every benchmark, within 20 minutes
	$(BIN)/python -m benchmarks.all

bench-full: $(VENV)/.ready peers ## every claim in full size; hours
	$(BIN)/python -m benchmarks.all --full

$(BENCHES:%=bench-%): bench-%: $(VENV)/.ready peers ## one claim
	$(BIN)/python -m benchmarks.$* --full

lock: ## renew the locks (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --generate-hashes --no-header --python-version 3.11 -o requirements.lock

clean: ## remove what was made; keeps environments
	rm -rf .leadscore out build .pytest_cache .mypy_cache .ruff_cache .hypothesis
