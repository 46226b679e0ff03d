# What people and CI type. Needs Python 3.11 or newer, make and git; everything else comes into .venv, hash-checked.
# Rule: a stamp inside .venv says what it holds; a missing stamp means that it is made anew.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
EXTRAS := --extra tables --extra sklearn --extra serve
ALL_EXTRAS := $(EXTRAS) --extra sql --extra postgres --extra packages --extra notify --extra tune

.PHONY: help
help:  ## Say what can be made
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 14

.venv/.made:
	@"$(PYTHON)" -c 'import sys; sys.exit("Legato needs Python 3.11 or newer; say which: make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	@echo "making .venv with $(PYTHON)"
	@"$(PYTHON)" -m venv --clear .venv
	@touch $@

# Dependencies by their locked hashes; Legato itself in place, built by the locked hatchling and nothing fetched.
.venv/.holds-%: requirements/%.txt pyproject.toml .venv/.made
	@echo "installing requirements/$*.txt"
	@$(PIP) install --require-hashes --requirement requirements/$*.txt
	@$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@touch $@

.PHONY: demo
demo: .venv/.holds-example  ## From real data to an answering endpoint, then what re-runs after an edit
	@scripts/demo.sh

.PHONY: test
test: .venv/.holds-dev  ## Run all tests
	@scripts/debian.sh
	@$(BIN)/python -m pytest

.PHONY: lint
lint: .venv/.holds-dev  ## Lint, format, types, contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: check
check: lint test  ## What CI runs

.PHONY: bench
bench: .venv/.holds-dev  ## Run the peers beside Legato, and write docs/performance.md
	@$(BIN)/python bench/engine.py

.PHONY: docs
docs: .venv/.holds-dev  ## Write the generated parts of the docs
	@$(BIN)/python docs/make_floors_table.py

.PHONY: lock
lock: .venv/.holds-dev  ## Resolve requirements/*.txt anew
	@$(LOCK) --upgrade pyproject.toml $(ALL_EXTRAS) requirements/dev.in --output-file requirements/dev.txt
	@$(LOCK) pyproject.toml $(EXTRAS) requirements/example.in --constraint requirements/dev.txt --output-file requirements/example.txt
	@$(LOCK) pyproject.toml --constraint requirements/dev.txt --output-file requirements/core.txt

.PHONY: clean
clean:  ## Remove what was made here: .venv, caches, the demo's folder, the peers of the benchmark
	@[ ! -x scripts/demo.sh ] || scripts/demo.sh stop
	rm -rf .venv .bench demo dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
