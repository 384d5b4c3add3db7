# `make demo` shows the whole line; `make test` runs the tests; `make check` runs all there is.
# CONTRIBUTING.md says how long each takes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
DEMO_BUDGET ?= 15s
DEMO_EXPERIMENTS ?= 6
# What pytest makes of the test modules is kept: half of what comes before the first test.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: install demo test test-of test-all coverage check lint types floors wheel-test site screenshots clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "Installing into $(VENV) at the versions of constraints.txt: 2.1 GB, most of it PyTorch."
	@echo "Two minutes on a fast line; pip says nothing meanwhile."
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) "pip>=25.1"
	$(INSTALL) torch==2.13.0
	$(INSTALL) --group dev -e .
	touch $@

# Everything a newcomer would type, on the standard library's own source: no key, no GPU, no network.
demo: install
	rm -rf $(DEMO)
	PATH="$(CURDIR)/$(BIN):$$PATH" sh benchmarks/demo.sh $(DEMO) $(DEMO_BUDGET) $(DEMO_EXPERIMENTS)

# A faithful share of everything. More at a time than cores: many tests wait for a process; what is
# left over goes to who is free.
test: PYTEST_ARGS ?= -n 5 --dist worksteal
test: install
	$(PYTEST) $(PYTEST_ARGS)

# The test files that import some rooms directly: make test-of OF="registry gitrepo"
empty :=
ROOMS = ($(subst $(empty) $(empty),|,$(strip $(OF))))
test-of: PYTEST_ARGS ?= -n 2
test-of: install
	@test -n "$(OF)" || { echo "make test-of OF=ROOM, or OF=\"ROOM ROOM\": see docs/architecture.md"; exit 2; }
	files=$$(grep -lE "^(from|import) autoresearch(\.$(ROOMS)\b| import .*\b$(ROOMS)\b)" tests/test_*.py) && \
	  $(PYTEST) $(PYTEST_ARGS) $$files

# The rest of the zoo on the real template, every sandbox level, every kill: all that is `thorough`.
# Fewer at a time: true trainings have time limits.
test-all coverage: PYTEST_ARGS ?= -n 4 --dist worksteal
test-all: install
	$(PYTEST) -m "" $(PYTEST_ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

floors: install
	$(BIN)/lint-imports --no-cache

# By its whole path: a test's processes leave their shares from other folders, too.
coverage: export COVERAGE_FILE = $(CURDIR)/.coverage
coverage: install
	$(MAKE) test-all PYTEST_ARGS="--cov --cov-report=term:skip-covered $(PYTEST_ARGS)"

check: lint types floors coverage

# The guides as a site, in build/site; a link that leads nowhere is an error.
site: install
	$(INSTALL) --group docs
	$(BIN)/mkdocs build --strict # with --quiet it would overlook everything

# The pictures in docs/, of a real night on the CPU. Needs Chromium.
screenshots: install
	$(BIN)/python benchmarks/screenshots.py docs

# The wheel as a user gets it, the source tree out of reach.
wheel-test: install
	sh tests/wheel.sh $(CURDIR)/$(BIN)/python

clean:
	rm -rf $(VENV) $(DEMO) build dist .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
