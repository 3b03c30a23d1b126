"""Commands read the process's environment; these tests own it."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the machine says about Tocsin."""
    for variable in list(os.environ):
        if variable.startswith("TOCSIN_"):
            monkeypatch.delenv(variable)
