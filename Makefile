# The verbs of the project; each is one command that can be typed without make.
PYTHON ?= python3
BIN := .venv/bin
# What `make test` runs: T=tests/unit/lexical, T='tests/cli -k search', everything without it.
T ?=

.PHONY: install demo test fmt lint types docs check wheel clean

install: ## a virtual environment with the package and the developers' tools
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q torch==2.13.0 -e '.[dev]'

demo: ## index the demo corpus and ask it something
	$(BIN)/xret index --corpus demo
	$(BIN)/xret search demo "how do vaccines train the immune system"

test: ## the whole suite, or T=path
	$(BIN)/pytest $(if $(T),$(T),-n auto --dist loadfile)

fmt: ## put code into its shape, and mend what lint can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: ## style, formatting, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

types: ## static types
	$(BIN)/mypy

docs: ## docs/cli.md, from the commands
	$(BIN)/python docs/write_cli_reference.py

check: lint types test ## lint, types and tests

wheel: ## the wheel, in dist/
	$(BIN)/python -m build --wheel

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
