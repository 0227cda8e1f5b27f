"""Marks that the frameworks' own tests have."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    for mark in ("benchmark", "compile", "scheduled", "vcr"):
        config.addinivalue_line("markers", f"{mark}: of langchain-tests")
