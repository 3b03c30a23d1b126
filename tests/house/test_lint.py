"""The linter refuses what the house forbids, outside the one module that may do it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]

PLANTED = [
    ("TID251", "import time\nA = time.time()\n"),
    ("TID251", "from datetime import UTC, datetime\nA = datetime.now(tz=UTC)\n"),
    ("TID251", "from uuid import uuid4\nA = uuid4()\n"),
    ("TID251", "import random\nA = random.random()\n"),
    ("TID251", "import asyncio\nA = asyncio.create_task\n"),
    ("TID251", "from unittest.mock import Mock\nA = Mock()\n"),  # house: allow mock, planted
    ("TID252", "from . import errors\nA = errors\n"),
    ("T201", "print(1)\n"),
    ("ASYNC251", "import time as t\nasync def a() -> None:\n    t.sleep(1)\n"),
    ("C901", "def a(x: int) -> None:\n" + "    if x:\n        x = 1\n" * 8),
]


def lint(path: str, text: str) -> str:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise"]
    ran = subprocess.run(
        [*command, "--stdin-filename", str(TOP / path), "-"],
        input=text,
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout


@pytest.mark.parametrize(("rule", "text"), PLANTED)
def test_a_planted_violation_is_caught(rule: str, text: str) -> None:
    assert f" {rule} " in lint("src/tocsin/app/planted.py", text)


def test_a_seeded_generator_is_no_violation() -> None:
    text = "import random\n\nA = random.Random(1).random()\n"
    assert "All checks passed" in lint("tests/unit/planted.py", text)


def test_one_module_may_read_the_clock() -> None:
    text = "import time\n\nA = time.time_ns()\n"
    assert "All checks passed" in lint("src/tocsin/adapters/system.py", text)
