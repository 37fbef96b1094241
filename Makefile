# What one types. `make help` lists it. Needs only make and Python 3.11 or newer.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes
RUNTIME := $(VENV)/.runtime-installed
DEVELOPMENT := $(VENV)/.development-installed

.PHONY: help install run test check test-tools test-sqlite test-postgresql test-browser format bench requirements screenshots clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(RUNTIME) ## create .venv with the pinned and hashed requirements

run: $(RUNTIME) ## prepare what is missing, then serve console, worker and demo until Ctrl-C (PORT=8000, DEMO=0)
	@exec $(BIN)/python scripts/serve

test: $(DEVELOPMENT) ## everything: linters, types, import rules, both databases, a real browser
	@$(BIN)/python scripts/run_tests

check: $(DEVELOPMENT) ## linters, types, import rules, templates, migrations, deployment settings
	@$(BIN)/python scripts/run_tests check

test-tools: $(DEVELOPMENT) ## find or install what tests need beside Python: Chromium, nginx, haproxy, pebble
	@$(BIN)/python scripts/run_tests tools

test-sqlite: $(DEVELOPMENT) ## the suite on SQLite, without the browser
	@$(BIN)/python scripts/run_tests sqlite

test-postgresql: $(DEVELOPMENT) ## what touches the database, on a real PostgreSQL (or DATABASE_URL)
	@$(BIN)/python scripts/run_tests postgresql

test-browser: $(DEVELOPMENT) ## the journeys in a real Chromium
	@$(BIN)/python scripts/run_tests tools browser

format: $(DEVELOPMENT) ## format the code and correct what the linter can correct
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEVELOPMENT) ## print the benchmarks' ratios
	@set -e; for file in bench/[a-z]*.py; do name=$${file#bench/}; \
	  case $$name in _*) ;; *) $(BIN)/python -m bench.$${name%.py};; esac; done

screenshots: $(DEVELOPMENT) ## retake the pictures of docs/images
	@$(BIN)/python scripts/run_tests tools
	$(BIN)/python scripts/screenshots

requirements: $(DEVELOPMENT) ## compile the .in files into pinned and hashed .txt files
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --python-version 3.11 --universal requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --python-version 3.11 --universal requirements-dev.in -c requirements.txt -o requirements-dev.txt

clean: ## remove .venv and caches; var/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written last, so an interrupted installation is taken up again, and a finished one costs nothing.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python3 …" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "Python's venv module is needed (Debian: apt-get install python3-venv)." >&2; rm -rf $(VENV); exit 2; }

$(RUNTIME): requirements.txt | $(BIN)/python
	@echo "Installing the requirements into $(VENV) …" >&2
	@$(PIP) -r requirements.txt
	@touch $@

$(DEVELOPMENT): requirements-dev.txt requirements.txt | $(RUNTIME)
	@echo "Installing what tests and linters need into $(VENV) …" >&2
	@$(PIP) -r requirements-dev.txt
	@touch $@
