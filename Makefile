# Every target sets itself up: a virtual environment in .venv, installed once and again only when pyproject.toml
# changes. The install is editable, so source edits need none.
#
#   make demo     train LeNet on real digits, results in runs/demo
#   make test     the whole test suite
#   make parity   the live comparison with PyTorch
#   make nightly  large imported networks, all of PyTorch's exports of small ones, more random programs: an hour
#   make hosts    the hosts in examples/hosts, each on its own runtime
#   make hosts-js  the host in Node, and the page in a headless Chromium (or CHROMIUM=/path/to/one)
#   make web      the page in which LeNet learns, as static files in examples/web/dist
#   make lint     ruff check, ruff format --check
#   make types    mypy --strict
#   make layers   the layering contracts
#   make bench    time per step against PyTorch and other peers; BENCH="--rounds 3" passes options
#
#   make test-cuda    on a machine with an NVIDIA GPU: CUDA against the CPU
#   make bench-cuda   there too: with and without CUDA graphs, against PyTorch; writes benchmarks/results/cuda.json
#
#   make test PYTHON=python3.12 VENV=.venv-3.12   another Python, in an environment of its own

VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest
# Long tests are the last: whoever is done takes from the others.
SIDE_BY_SIDE := -n auto --maxprocesses 8 --dist worksteal

# The first Python that runs and is new enough. A name on PATH may be a launcher without a Python behind it.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 python
PYTHON ?= $(shell for p in $(CANDIDATES); do "$$p" -c '$(NEW_ENOUGH)' 2>/dev/null && echo "$$p" && break; done)

.DELETE_ON_ERROR:
.PHONY: help demo test parity nightly hosts hosts-js web lint types layers bench test-cuda bench-cuda

help:
	@sed -n 's/^#   make/  make/p' Makefile

demo: $(VENV)/installed
	@$(BIN)/lenetc train --out runs/demo

test: $(VENV)/installed-test
	@$(PYTEST) $(SIDE_BY_SIDE) --ignore tests/parity --ignore tests/cuda --ignore tests/hosts \
	  -m "not parity and not nightly"

nightly: $(VENV)/installed-parity
	@$(PYTEST) tests $(SIDE_BY_SIDE) -m nightly

# Where there are such tests, and no others are collected beside them.
parity: $(VENV)/installed-parity
	@$(PYTEST) tests/parity tests/semantics tests/test_random_programs.py $(SIDE_BY_SIDE) \
	  -m "parity and not slow and not nightly"

# The runtimes' environments are made in .runtimes, one by one, when they are first needed.
hosts: $(VENV)/installed-test
	@$(PYTEST) tests/hosts --ignore tests/hosts/javascript

hosts-js: web examples/hosts/node/node_modules/installed
	@$(PYTEST) tests/hosts/javascript

web: $(VENV)/installed-test examples/web/node_modules/installed
	@$(BIN)/python examples/web/build.py

# Scripts of packages are not run: onnxruntime-node's would fetch CUDA's libraries.
%/node_modules/installed: %/package-lock.json
	@npm ci --prefix $* --ignore-scripts --prefer-offline --no-audit --no-fund --loglevel error
	@touch $@

lint: $(VENV)/installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	@$(BIN)/mypy

layers: $(VENV)/installed-dev
	@$(BIN)/lint-imports

# The peers' environments are made in .bench, one by one, when they are first needed.
bench: $(VENV)/installed
	@$(BIN)/python -m benchmarks $(BENCH)
	@$(BIN)/python -m benchmarks.report --readme

test-cuda: $(VENV)/installed-cuda
	@$(PYTEST) tests/cuda -m cuda

bench-cuda: $(VENV)/installed-cuda
	@$(BIN)/python -m benchmarks.cuda

# Some distributions ship Python without ensurepip; there the system's pip fills the new environment.
$(VENV)/created:
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' 2>/dev/null || { \
	  echo "lenetc needs Python 3.11 or newer; found: $$($(or $(PYTHON),python3) --version 2>/dev/null || echo none)" >&2; \
	  echo "Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Creating $(VENV) with $$($(PYTHON) --version)"
	@"$(PYTHON)" -m venv $(VENV) >/dev/null 2>&1 || { "$(PYTHON)" -m venv --without-pip --clear $(VENV) \
	  && "$(PYTHON)" -m pip --python $(BIN)/python install --quiet pip; }
	@touch $@

$(VENV)/installed: pyproject.toml | $(VENV)/created
	@echo "Installing lenetc into $(VENV) (the first time takes a minute or two)"
	@$(PIP) --editable .
	@touch $@

# By its name the package is the one that is there: only what an extra asks for is installed, and nothing built anew.
$(VENV)/installed-test: $(VENV)/installed
	@echo "Installing the test tools into $(VENV)"
	@$(PIP) 'lenetc[test,runtimes]'
	@touch $@

# PyTorch goes in by itself first, so that the resolver never weighs the other packages against its many wheels.
$(VENV)/installed-parity: $(VENV)/installed-test
	@echo "Installing PyTorch 2.13.0 into $(VENV) (a large download the first time)"
	@$(PIP) torch==2.13.0
	@$(PIP) 'lenetc[test,parity]'
	@touch $@

# CUDA's libraries come with the extra; PyTorch for Linux brings its own.
$(VENV)/installed-cuda: $(VENV)/installed-parity
	@echo "Installing the CUDA libraries into $(VENV) (a large download the first time)"
	@$(PIP) 'lenetc[test,parity,cuda]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed-test
	@echo "Installing ruff, mypy and import-linter into $(VENV)"
	@$(PIP) 'lenetc[test,dev]'
	@touch $@
