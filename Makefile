# Targets of fraudstream. Each installs what it needs; Python 3.11+ and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-test
DOCS_STAMP := $(VENV)/.installed-docs

.PHONY: help install compiled up test kafka kafka-stop test-kafka check check-fast check-deploy image sbom docs reference lock audit bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## make .venv with fraudstream in it

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fraudstream needs Python 3.11 or later; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing $$(grep -c '==' requirements.lock) packages into $(VENV): half a minute on a new machine."
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --no-deps --no-compile -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# `make up` need not wait for what tests, checks types and trains models.
$(TEST_STAMP): $(STAMP) requirements-test.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-test.lock
	@touch $@

$(DOCS_STAMP): $(STAMP) requirements-docs.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-docs.lock
	@touch $@

# With an empty cache, workers that tests start would compile within the tests' time limits.
compiled: install
	@$(BIN)/python -m fraudstream.cli.compile_kernel rules

up: install ## run all parts on this machine; BROKER=kafka: on Apache Kafka, with Java; Ctrl-C stops them
	@$(BIN)/fraudstream up $(if $(BROKER),--broker $(BROKER)) $(ARGS)

test: install $(TEST_STAMP) compiled ## run the tests that need only this machine
	$(BIN)/python -m pytest $(ARGS)

kafka: ## start Apache Kafka on loopback: one broker, or BROKERS=3; needs Java 17 and Maven
	@servers=$$(deploy/kafka/kafka.sh start --brokers $(or $(BROKERS),1)) && \
	echo "Apache Kafka serves. For the commands: export FRAUDSTREAM_KAFKA_BOOTSTRAP_SERVERS=$$servers" && \
	echo "make kafka-stop stops it and removes its data."

kafka-stop: ## stop the brokers of make kafka, and remove their data
	@deploy/kafka/kafka.sh stop

# Uses the broker in FRAUDSTREAM_TEST_KAFKA=host:port, else starts one and stops it afterwards.
test-kafka: install $(TEST_STAMP) compiled ## run the tests that need Apache Kafka or a schema registry
	@set -e; stop=:; trap 'eval "$$stop"' EXIT; trap 'exit 130' INT TERM; \
	if [ -z "$$FRAUDSTREAM_TEST_KAFKA" ]; then \
	    stop="deploy/kafka/kafka.sh stop"; \
	    FRAUDSTREAM_TEST_KAFKA=$$(deploy/kafka/kafka.sh start); export FRAUDSTREAM_TEST_KAFKA; \
	fi; \
	if [ -z "$$FRAUDSTREAM_TEST_REGISTRY" ]; then \
	    stop="$$stop; deploy/registry/registry.sh stop"; \
	    FRAUDSTREAM_TEST_REGISTRY=$$(deploy/registry/registry.sh start); export FRAUDSTREAM_TEST_REGISTRY; \
	fi; \
	$(BIN)/python -m pytest -m "kafka or registry" $(ARGS)

check: install $(TEST_STAMP) compiled ## lint, types, imports, and all tests that need only this machine
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

check-fast: install $(TEST_STAMP) ## lint, types, imports, and the tests that need no broker: under 5 minutes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/unit tests/oracle $(ARGS)

docs: install $(DOCS_STAMP) ## build the documentation site; a broken link or anchor is an error
	$(BIN)/python -m docsite.source build/pages
	NO_COLOR=1 $(BIN)/zensical build --strict --clean
	$(BIN)/python -m docsite.built build/site
	@echo "To read it, search included: $(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site"

reference: install ## write the generated pages of docs/ again
	@$(BIN)/python -m docsite.reference

bench: install ## throughput and latency beside the floor and plain Faust
	@$(BIN)/fraudstream bench $(ARGS)

# With hashes: pip refuses a file that is not the one that was locked.
COMPILE_LOCK = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
SERVED = --extra console --extra formats --extra gateway --extra history --extra telemetry
EVERYTHING = $(SERVED) --extra embedded --group build

lock: install ## resolve the lock files again from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE_LOCK) $(EVERYTHING) --output-file requirements.lock pyproject.toml
	$(COMPILE_LOCK) $(EVERYTHING) --extra learning --group dev --constraint requirements.lock --output-file requirements-test.lock pyproject.toml
	$(COMPILE_LOCK) $(SERVED) --constraint requirements.lock --output-file requirements-image.lock pyproject.toml
	$(COMPILE_LOCK) --group build --constraint requirements.lock --output-file requirements-build.lock
	$(COMPILE_LOCK) --group docs --constraint requirements.lock --output-file requirements-docs.lock
	$(COMPILE_LOCK) --group deploy --output-file requirements-deploy.lock

# Tools that only deployment needs are not in the way of the program's own packages.
DEPLOY_VENV := .venv-deploy
$(DEPLOY_VENV)/.installed: requirements-deploy.lock
	$(PYTHON) -m venv $(DEPLOY_VENV)
	@$(DEPLOY_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-deploy.lock
	@touch $@

check-deploy: $(DEPLOY_VENV)/.installed ## check deploy/: alert rules, compose, the chart and its manifests
	@PATH="$(CURDIR)/$(DEPLOY_VENV)/bin:$$PATH" deploy/check.sh

image: ## build the image, its base named by the digest that the tag has now; needs Docker
	@set -e; base=$(or $(BASE),python:3.11-slim-bookworm); \
	digest=$$(docker buildx imagetools inspect "$$base" --format '{{json .Manifest.Digest}}' | tr -d '"'); \
	echo "base: $$base@$$digest"; \
	docker buildx build --build-arg PYTHON_IMAGE="$$base@$$digest" --provenance=mode=max --sbom=true --tag $(or $(TAG),fraudstream) $(ARGS) .

sbom: $(DEPLOY_VENV)/.installed ## write the bill of materials of the image's Python packages: dist/fraudstream.cdx.json
	@mkdir -p dist
	@$(DEPLOY_VENV)/bin/cyclonedx-py requirements requirements-image.lock --pyproject pyproject.toml --output-reproducible \
	    --output-format JSON --output-file dist/fraudstream.cdx.json
	@echo "dist/fraudstream.cdx.json: $$(grep -c '"purl"' dist/fraudstream.cdx.json) packages"

build/audit:
	@$(PYTHON) -m venv $@ && $@/bin/python -m pip install --quiet --disable-pip-version-check pip-audit || { rm -rf $@; exit 1; }

audit: build/audit ## known vulnerabilities of the locked packages; needs the network to PyPI, and fails where it has no data
	@build/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement requirements.lock

clean: ## remove what install made
	rm -rf $(VENV) $(DEPLOY_VENV) build dist *.egg-info
