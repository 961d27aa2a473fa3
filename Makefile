# `make demo` and `make test` work in a fresh clone, as root and as an ordinary user: all they need is a Python >= 3.11
# with its venv module. Everything else is installed, by hash, into .venv.

PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3; do \
	$$each -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test test-long test-matrix check bench profile docs screenshots translations requirements format clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(STAMP)  ## the whole workflow on examples/mesh, on a PostgreSQL that comes with it
	$(BIN)/db-migrate demo

test: $(STAMP)  ## every test but the long ones
	$(BIN)/python -m pytest -n $(WORKERS)

test-long: $(STAMP)  ## every test, with many more examples
	DB_MIGRATE_TEST_LONG=1 $(BIN)/python -m pytest -n $(WORKERS)

test-matrix: $(STAMP)  ## the tests on every version that is supported (CELLS=diagonal: a part of it)
	$(BIN)/python -m matrix $(CELLS)

check: $(STAMP)  ## lint, types, import arrows, spelling, known vulnerabilities, import budget
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell
	$(BIN)/python requirements/audit.py
	$(BIN)/python -m pytest -q tests/house

bench: $(STAMP)  ## reproducible comparisons with what people use today (NAME=drift: one of them)
	$(BIN)/python -m bench $(NAME)

profile: $(STAMP)  ## where the time of a verb goes (VERB=drift; TABLES=1000, else examples/mesh; COLD=1)
	$(BIN)/python -m bench.profile $(VERB) $(TABLES)

docs: $(STAMP)  ## what is generated: JSON schemas, the reference, the README's table of versions, the SBOM
	$(BIN)/python -m docs.generate

screenshots: $(STAMP)  ## the pictures of the report in docs/report.md (needs Debian's Chromium)
	$(BIN)/python -m docs.screenshots

translations: $(STAMP)  ## the catalogues of translations, and what they lack
	$(BIN)/python -m translations

format: $(STAMP)  ## write the code as `make check` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

requirements:  ## pin and hash anew what is installed
	PYTHON="$(PYTHON)" bash requirements/compile.sh

clean:  ## remove what was made here
	rm -rf $(VENV) .venv-matrix .demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "no Python >= 3.11 with the venv module was found; install one (Debian: python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

$(STAMP): $(BIN)/python requirements/runtime.txt requirements/dev.txt pyproject.toml
	$(PIP) install --require-hashes --only-binary :all: --no-compile -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@# Child processes leave no bytecode behind, so what they import is compiled here, once, on all cores.
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib src
	@touch $@
