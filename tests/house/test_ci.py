"""A test whose server is absent is skipped on a laptop and fails on CI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

SUITE = """
import pytest

def test_needs_a_server():
    pytest.skip("absent: no cassandra here")

def test_skips_for_another_reason():
    pytest.skip("only on another system")
"""


@pytest.mark.parametrize(
    ("ci", "closing"), [("", "2 skipped"), ("true", "1 failed, 1 skipped")], ids=["laptop", "CI"]
)
def test_an_absent_server(tmp_path: Path, ci: str, closing: str) -> None:
    shutil.copy(TESTS / "conftest.py", tmp_path)
    (tmp_path / "test_suite.py").write_text(SUITE, "utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs"]
    ran = subprocess.run(
        command,
        cwd=tmp_path,
        # The copied conftest.py takes what it needs from here.
        env={**os.environ, "CI": ci, "PYTHONPATH": str(TESTS.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert closing in ran.stdout
    assert "absent: no cassandra here" in ran.stdout
