# Everything a contributor runs. Needs Python 3.11 or newer with venv, git and make; the first command sets the rest up
# in .bootstrap (uv) and .venv (Penstock, its extras and the tools, as uv.lock pins them).

UV_VERSION := 0.13.9
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# Twice the cores of a small machine: many tests wait.
WORKERS ?= 4

VENV := .venv
BIN := $(VENV)/bin
UV := .bootstrap/uv-$(UV_VERSION)/bin/uv
SYNCED := $(VENV)/synced-with-uv.lock
BROWSER := .bootstrap/browser-looked-for

export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := $(VENV)
# What another environment that is active has set must not reach this one.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH
# The tests start hundreds of interpreters; without cached bytecode each of them would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup environment web webtest demo test lint format types layers unit explore torture law timetables fuzz mutation coverage docs bench build clean

help:  ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(UV):
	@test -n "$(PYTHON)" || { echo "Penstock needs Python 3.11 or newer with its venv module" \
		"(Debian, Ubuntu: apt install python3-venv); name one with: make PYTHON=/path/to/python"; exit 2; }
	rm -rf .bootstrap
	$(PYTHON) -m venv .bootstrap/uv-$(UV_VERSION)
	$(@D)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# The pages are built where there is Node; without it the service has its API alone. A wheel brings them built.
HAS_NODE := $(shell node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' 2>/dev/null && echo yes)
PAGES := src/penstock/ui/index.html
web: $(PAGES)  ## Build the pages of the service (needs Node 20); does nothing while web/ is unchanged

webtest: $(PAGES)  ## Check types and style of the pages and run the tests of their layouts (the rest is in tests/web)
	cd web && npm run --silent lint && npm run --silent test

$(PAGES): web/node_modules/.package-lock.json $(shell find web -path web/node_modules -prune -o -type f -print)
	cd web && npm run --silent build
	@touch $@

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm install --no-save --silent --no-audit --no-fund
	@touch $@

# The stamp is a copy of the lock file, compared by content: a checkout that only touches the file sets nothing up again.
environment: $(UV) $(if $(HAS_NODE),$(PAGES))
	@cmp -s uv.lock $(SYNCED) && test -x $(BIN)/penstock || { \
		echo "Setting up $(VENV)" && \
		$(UV) sync --frozen --all-extras --all-groups --python $(<D)/python && \
		cp uv.lock $(SYNCED); }

# A browser is looked for once: where there is none and none can be had, that is not tried again each time.
$(BROWSER): | $(UV)
	@.ci/chromium
	@touch $@

setup: environment $(if $(HAS_NODE),$(BROWSER))  ## Make .venv as uv.lock pins it, and find a browser; does nothing while that is unchanged

demo: environment  ## Run the example pipeline on the flights of New York in 2013
	$(BIN)/penstock demo

test: lint types layers $(if $(HAS_NODE),webtest) unit  ## Everything that must hold before a change lands

lint: environment  ## Check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: environment  ## Format the code and fix what can be fixed by machine
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: environment  ## Check types
	$(BIN)/mypy --num-workers 2

layers: environment  ## Check that imports go down only
	$(BIN)/lint-imports --no-cache

unit: setup  ## Run the tests alone
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

explore: export HYPOTHESIS_PROFILE := explore
explore: setup  ## Run the tests of properties on new random examples, where `make test` has the same each time
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m hypothesis

torture: environment  ## Break the promise of durability in every way known, many times over (hours): what is found, as a table
	$(BIN)/python -m tests.faults.torture $(TORTURE)

law: environment  ## Random workflows through the compiler and the engine, judged by a model of the law (LAW="--count 100000")
	$(BIN)/python -m tests.law $(LAW)

timetables: environment  ## A million random cron expressions, zones and times, where cronsim must agree (TIMETABLES="--count 10000")
	$(BIN)/python -m tests.timetable_law $(TIMETABLES)

fuzz: environment  ## Requests of every form to the HTTP API: none may break it
	$(BIN)/python -m tests.unit.api.fuzz $(FUZZ)

mutation: environment  ## Change the engine and the plan in small ways, and see that the tests notice (an hour)
	$(BIN)/python -m tests.mutation --workers $(WORKERS)

coverage: export COVERAGE_PROCESS_START := $(CURDIR)/pyproject.toml
coverage: export COVERAGE_FILE := $(CURDIR)/.coverage
coverage: setup  ## Run the tests with coverage, that of subprocesses included (slower), into htmlcov/
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term --cov-report=html

docs: environment  ## Build the documentation into site/
	$(BIN)/zensical build --clean --strict

bench: environment  ## Measure the table of aims (a quarter of an hour), for docs/concepts/speed.md and its chart; BENCH="W1 --quick" for less
	$(BIN)/python -m bench $(BENCH)

build: environment  ## Build the wheel and the source distribution into dist/
	$(UV) build

clean:  ## Remove environments, builds and caches
	rm -rf $(VENV) .bootstrap dist site src/penstock/ui web/node_modules htmlcov .coverage .coverage.* .cache
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
