"""A test that hangs fails alone, and its report says where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HANGING = """
import asyncio
import threading

import pytest


@pytest.mark.timeout(1)
async def test_that_hangs_in_a_loop():
    await asyncio.get_running_loop().create_future()


@pytest.mark.timeout(1)
def test_that_hangs_in_a_lock():
    threading.Event().wait()


def test_that_is_well():
    pass
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_test_that_hangs_fails_and_the_others_run(tmp_path: Path) -> None:
    """The workers of a run that ended by it would leave all the rest undone."""
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_hanging.py").write_text(HANGING)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml")]
    command += ["--rootdir", str(tmp_path), "-p", "no:cacheprovider", "-n", "1"]
    command += ["--max-worker-restart", "0", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "2 failed, 1 passed" in run.stdout, run.stdout
    assert run.stdout.count("Failed: Timeout (>1.0s)") >= 2
    assert "threading.Event().wait()" in run.stdout
