# Two commands do everything: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Tests that hold calls in real time.
MEDIA  := tests/contract/test_media_contract.py

.DEFAULT_GOAL := help
.PHONY: help demo serve test lint format lock clean

help:
	@echo "make demo    install, fetch the models, run a whole campaign against simulated customers"
	@echo "make test    install, run every test that this machine can run"
	@echo "make serve   show the dashboard of ./campana-data (after make demo: of ./demo-out) on 127.0.0.1"
	@echo "make lint    ruff, mypy --strict, import contracts"
	@echo "make lock    recompute the lock files from pyproject.toml"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Campana needs Python 3.11 or later; this is %d.%d (set PYTHON=...)" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.runtime
	@$(BIN)/campana demo

serve: $(VENV)/.runtime
	@if [ -f demo-out/campana.toml ] && [ ! -f campana.toml ]; then \
	  $(BIN)/campana --config demo-out/campana.toml serve; else $(BIN)/campana serve; fi

test: $(VENV)/.dev
	@$(BIN)/campana models fetch stt-base stt-tiny-en tts-en-joe vad turn llm-test
	@# Tests that compute share the cores; those that hold calls in real time have them to themselves.
	@failed=0; \
	$(BIN)/python -m pytest --cov --cov-report= -n 2 --dist loadfile tests/unit tests/property tests/contract \
	  --ignore $(MEDIA) || failed=1; \
	$(BIN)/python -m pytest --cov --cov-append --cov-report=term:skip-covered --cov-report=json:.coverage.json \
	  $(MEDIA) tests/acceptance tests/browser tests/integration || failed=1; \
	exit $$failed
	$(BIN)/python scripts/coverage_floor.py .coverage.json billing=95 campaigns=95

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/.dev
	scripts/lock

clean:
	rm -rf demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.json
