"""Lines for people on a terminal, for machines elsewhere, unless the settings say otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys, structlog
from tocsin.config.logging_table import Logging
from tocsin.roles.logs import set_up
set_up(Logging(format=sys.argv[1]))
structlog.get_logger("tests").warning("a_thing_happened", lane="bulk")
"""


def said(how: str, stderr: int) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM, how], stderr=stderr, check=True)


@pytest.mark.parametrize(("how", "for_machines"), [("auto", False), ("json", True)])
def test_on_a_terminal(how: str, for_machines: bool) -> None:
    reading, terminal = os.openpty()
    said(how, terminal)
    os.close(terminal)
    line = os.read(reading, 4_096)
    os.close(reading)
    assert b"a_thing_happened" in line
    assert line.startswith(b"{") == for_machines


@pytest.mark.parametrize(("how", "for_machines"), [("auto", True), ("text", False)])
def test_into_a_pipe(how: str, for_machines: bool) -> None:
    reading, writing = os.pipe()
    said(how, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        line = pipe.read()
    if for_machines:
        assert json.loads(line)["lane"] == "bulk"
    else:
        assert not line.startswith(b"{")
