# Two commands are enough: `make app` and `make test`. Each installs what is missing.
PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: app test install install-test browser lint types unit test-browser bench gallery

app: install
	@$(BIN)/iterscope app --port $(PORT)

install: .venv/.installed

install-test: .venv/.installed-test

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("iterscope needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml | .venv/bin/python
	@echo "installing iterscope (some minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/.installed-test: pyproject.toml | .venv/bin/python
	@echo "installing iterscope with its test tools ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[peers,test]'
	@touch $@ .venv/.installed

# Debian's own Chromium is driven: an installed one is used, otherwise the package manager is asked.
browser:
	@if ! command -v chromium >/dev/null 2>&1 && ! command -v chromium-browser >/dev/null 2>&1; then \
	  if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
	    echo "installing Chromium ..."; apt-get update -qq && apt-get install -y -qq chromium >/dev/null; \
	  else \
	    echo "the browser tests need Chromium: install it (Debian and Ubuntu: sudo apt-get install chromium)"; exit 1; \
	  fi; \
	fi

test: install-test browser lint types unit test-browser

lint: install-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: install-test
	$(BIN)/mypy

unit: install-test
	$(BIN)/python -m pytest -q -m "not browser" -n auto --dist worksteal

test-browser: install-test browser
	$(BIN)/python -m pytest -q -m browser

bench: install-test
	$(BIN)/iterscope bench registration --live

# The recorded runs and scores that pages show before anything was computed.
gallery: install
	$(BIN)/python -m pages.figures.recording
	$(BIN)/python -m core.registration.bench_detection --write
