# fraudstream: what to type. Everything sets itself up; Python 3.11+ and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install up test check lock bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## make .venv with fraudstream in it

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fraudstream needs Python 3.11 or later; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

up: install ## run all of it on this machine, embedded; Ctrl-C stops it
	@$(BIN)/fraudstream up $(ARGS)

test: install ## run the tests that need nothing but this machine
	$(BIN)/python -m pytest $(ARGS)

check: install ## lint, types, imports, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

bench: install ## throughput and latency beside the floor and plain Faust
	@$(BIN)/fraudstream bench $(ARGS)

lock: install ## resolve requirements.lock again from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra embedded --group dev --no-emit-index-url --no-header --quiet --output-file requirements.lock pyproject.toml

clean: ## remove what install made
	rm -rf $(VENV) build dist *.egg-info
