# `make demo` shows the whole line; `make test` runs the tests; `make check` is what CI runs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Two at a time: most tests wait for a process, and the whole must stay under a quarter of an hour.
PYTEST_ARGS ?= -n 2
DEMO ?= demo
DEMO_BUDGET ?= 15s
DEMO_EXPERIMENTS ?= 6
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: install demo test check lint types floors wheel-test clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) "pip>=25.1"
	$(INSTALL) torch==2.13.0
	$(INSTALL) --group dev -e .
	touch $@

# Everything a newcomer would type, on the standard library's own source: no key, no GPU, no network.
demo: install
	rm -rf $(DEMO)
	PATH="$(CURDIR)/$(BIN):$$PATH" sh benchmarks/demo.sh $(DEMO) $(DEMO_BUDGET) $(DEMO_EXPERIMENTS)

test: install
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

floors: install
	$(BIN)/lint-imports --no-cache

check: lint types floors
	$(MAKE) test PYTEST_ARGS="--cov --cov-report=term:skip-covered $(PYTEST_ARGS)"

# The wheel as a user gets it, the source tree out of reach.
wheel-test: install
	sh tests/wheel.sh $(CURDIR)/$(BIN)/python

clean:
	rm -rf $(VENV) $(DEMO) dist .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
