# Targets for people. Each makes what it needs; nothing is installed outside this folder.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: help venv demo test coverage lint types check engines pins clean distclean
MAKEFLAGS += --no-print-directory

# PYTHON=python3.13 names the interpreter that .venv is made from; PYTEST_ARGS="-k record -x" goes to pytest.
export PYTHON
BIN := .venv/bin
PYTEST_ARGS ?=
# A core each, up to four: every worker that meets DynamoDB Local starts one of its own (200 MB).
WORKERS := -n auto --maxprocesses 4 --dist loadgroup
# pyright's Python package brings pyright itself; this stops its look for a newer one.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## A decorated handler runs once, replays, refuses a changed payload and recovers from a crash
	@tools/venv .venv cli
	@$(BIN)/idemlambda demo

venv: ## .venv with the package, the tests and the tools (the targets below make it themselves)
	@tools/venv .venv dev

test: venv ## All tests; those whose engine is not installed are reported as skipped
	@$(BIN)/python -m pytest $(WORKERS) $(PYTEST_ARGS)

coverage: venv ## All tests with branch coverage, which must be complete
	@$(BIN)/coverage erase
	@COVERAGE_FILE="$(CURDIR)/.coverage" $(BIN)/coverage run -m pytest $(WORKERS) $(PYTEST_ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

lint: venv ## ruff, the layers (import-linter) and the CloudFormation templates (cfn-lint)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports
	@$(BIN)/cfn-lint --non-zero-exit-code informational --include-checks I -- template.yaml infra/*.yaml

types: venv ## mypy --strict and pyright strict
	@$(BIN)/mypy
	@command -v node >/dev/null || { echo "error: pyright runs on Node.js, and node was not found. Install it (on Debian: apt-get install nodejs)." >&2; exit 1; }
	@$(BIN)/pyright

check: lint types test ## lint, types and test

engines: ## DynamoDB Local and the SAM CLI into .engines/, for the tests that use them
	@tools/engines

pins: ## constraints.txt anew from pyproject.toml (PINS_ARGS=--upgrade takes newer versions)
	@tools/pins $(PINS_ARGS)

clean: ## Removes what builds and tests leave behind
	@rm -rf build dist site .aws-sam .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . \( -name .venv -o -name .engines -o -name .git \) -prune -o \( -name __pycache__ -o -name '*.egg-info' \) -type d -print0 | xargs -0 rm -rf

distclean: clean ## The same, and .venv and .engines
	@rm -rf .venv .engines
