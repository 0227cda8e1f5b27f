# The verbs of the project; each is one command that can be typed without make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test lint types check wheel clean

install: ## a virtual environment with the package and the developers' tools
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q torch==2.13.0 -e '.[dev]'

demo: ## index the demo corpus and ask it something
	$(BIN)/xret index --corpus demo
	$(BIN)/xret search demo "how do vaccines train the immune system"

test: ## the whole suite
	$(BIN)/pytest

lint: ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: ## static types
	$(BIN)/mypy

check: lint types test ## all of the above

wheel: ## the wheel, in dist/
	$(BIN)/python -m build --wheel

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
