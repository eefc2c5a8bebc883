.POSIX:
PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -e 's/:.*## /\t/' | expand -t 16

$(VENV)/.made: pyproject.toml requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

venv: $(VENV)/.made ## the virtual environment, with everything pinned

demo: $(VENV)/.made ## two clusters, one service used from the other
	$(BIN)/jackstay demo

test: $(VENV)/.made ## the tests
	$(BIN)/pytest

lint: $(VENV)/.made ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.made ## mend what can be mended by a tool
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: lint test ## lint and test

.PHONY: help venv demo test lint format check
