# Everything that people and CI do here. `make` alone lists it.

VENV ?= .venv
# Where `make up` keeps its data and listens. Passed on only when given, so that a configuration
# file named by TOCSIN_CONFIG has its say; without any of them ./data and 8600.
DATA ?=
PORT ?=
# Which Python makes the environment; found when not given.
PYTHON ?=
# Sets of texts are walked in the same order each time, so that a simulated run that fails can be
# seen again; `random` tries other orders.
PYTHONHASHSEED ?= 0

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
CHECKED = $(wildcard src tests bench tools examples)

.PHONY: help up test check bench reference requirements clean
.DEFAULT_GOAL := help

help: ## list what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1|/' | awk -F'|' '{printf "%-22s %s\n", $$1, $$2}'
	@echo
	@echo '  Variables: DATA, PORT, VENV ($(VENV)), PYTHON (found by itself)'

up: $(RUN_STAMP) ## start Tocsin in the foreground, with its data in DATA (./data), on PORT (8600)
	@exec $(BIN)/tocsin up $(if $(DATA),--data '$(DATA)') $(if $(PORT),--port '$(PORT)')

test: $(DEV_STAMP) ## run every test that needs no other server; at its end, what was skipped and why
	@PYTHONHASHSEED=$(PYTHONHASHSEED) $(BIN)/python -m pytest -n auto --dist loadgroup

check: $(DEV_STAMP) ## format, lint, types, import contracts, sizes, house rules, docs
	@BIN=$(BIN) tools/check.sh $(CHECKED)

bench: $(DEV_STAMP) ## measure; prints a table and writes JSON
	@$(BIN)/python -m bench

reference: $(DEV_STAMP) ## write the pages of docs/reference that follow from the code
	@$(BIN)/python -m tools.reference

requirements: $(DEV_STAMP) ## resolve the dependencies anew and write requirements/
	@BIN=$(BIN) tools/requirements.sh

clean: ## remove the environment and every cache; never the data
	rm -rf '$(VENV)' dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +

# pip checks each file against its hash. The package itself is installed in place, built by the
# checked hatchling that is already there, so nothing else is fetched.
$(RUN_STAMP): pyproject.toml requirements/run.txt requirements/build.txt
	@PYTHON='$(PYTHON)' tools/make_venv.sh '$(VENV)'
	@echo 'Installing what Tocsin needs into $(VENV) (once) …'
	@$(PIP) install --require-hashes -r requirements/build.txt -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_STAMP): $(RUN_STAMP) requirements/dev.txt
	@echo 'Installing what the tests and checks need into $(VENV) (once) …'
	@$(PIP) install --require-hashes --no-build-isolation -r requirements/dev.txt
	@touch $@
