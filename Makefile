.POSIX:
PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
WORKERS = 2

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

test: $(VENV)/.made ## the tests, in WORKERS processes (2), a file's tests in the same one
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile

test-kubernetes: $(VENV)/.made ## the mirror and what it relies on, on a real API server and on ours (CONTRIBUTING.md)
	$(BIN)/pytest tests/kubernetes

e2e: $(VENV)/.made ## the whole way in two real clusters (tests/e2e/conftest.py says what it needs)
	$(BIN)/pytest tests/e2e

soak: $(VENV)/.made ## the mirror killed 100 times, and thousands of random interleavings; ten minutes
	JACKSTAY_SOAK=1 $(BIN)/pytest tests/soak tests/mirror/test_interleavings.py

bench: $(VENV)/.made ## the benchmarks, beside HAProxy and nginx; several minutes
	$(BIN)/python -m benchmarks full

bench-quick: $(VENV)/.made ## the same with small loads, under three minutes
	$(BIN)/python -m benchmarks quick

bench-rotation: $(VENV)/.made ## leaf, issuer and trust anchor replaced under load; handshakes by kind of key
	$(BIN)/python -m benchmarks rotation
	$(BIN)/python -m benchmarks handshakes

lint: $(VENV)/.made ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.made ## mend what can be mended by a tool
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

wheels: $(VENV)/.made ## that Python 3.14 has a wheel of every pinned dependency
	rm -rf build/wheels
	$(BIN)/pip download --quiet --disable-pip-version-check --only-binary :all: --python-version 3.14 \
		--require-hashes --no-deps --dest build/wheels -r requirements.txt
	ls build/wheels | wc -l | xargs printf '%s wheels for Python 3.14\n'

pins: $(VENV)/.made ## resolve the dependencies anew (needs uv: pip install uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --upgrade pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --upgrade --extra dev --extra benchmarks pyproject.toml -c requirements.txt -o requirements-dev.txt

check: lint test ## lint and test

.PHONY: help venv demo test test-kubernetes e2e soak bench bench-quick bench-rotation lint format check wheels pins
