"""What commands print fits where it is printed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from tocsin.cli import exits, main
from tocsin.cli.output import local_time

COLUMNS = ("lane", "channel", "planned", "sent", "delivered", "suppressed", "failed", "expired")
ROWS = [("transactional", "inbox", 12_345_678, 12_345_000, 0, 678, 0, 0), ("bulk", "email", 1, 1)]
PROGRAM = f"""
from tocsin.cli.output import print_table
rows = [tuple(row) + (0,) * (8 - len(row)) for row in {ROWS!r}]
print_table({COLUMNS!r}, rows)
print_table(("gate", "looked at"), [("workflow", "word " * 40)])
"""


def printed(columns: int) -> list[str]:
    """Return the lines that a terminal of so many columns shows."""
    reading, terminal = pty.openpty()
    env = {**os.environ, "COLUMNS": str(columns), "TERM": "dumb"}
    subprocess.run([sys.executable, "-c", PROGRAM], stdout=terminal, env=env, check=True)
    os.close(terminal)
    text = b""
    while True:
        try:
            part = os.read(reading, 65_536)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(reading)
    return text.decode().replace("\r", "").splitlines()


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(columns: int) -> None:
    lines = printed(columns)
    assert max(map(len, lines)) <= columns
    (row,) = [line for line in lines if "12345678" in line]
    assert "transactional" in row
    assert "12345000" in row


def test_a_narrow_terminal_is_told_which_columns_hold_nothing() -> None:
    assert "Nothing in: delivered, failed, expired." in printed(70)
    assert not [line for line in printed(200) if line.startswith("Nothing in")]


def test_an_instant_is_shown_in_the_local_zone() -> None:
    at = datetime(2030, 1, 31, 12, tzinfo=UTC)
    shown = local_time("2030-01-31T12:00:00.000Z")
    assert shown == local_time(int(at.timestamp() * 1_000))
    assert datetime.fromisoformat(shown) == at
    assert local_time(None) == ""


def test_a_misspelt_command_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explian"]) == exits.WRONG_USE
    assert "No such command 'explian'. Did you mean 'explain'?" in capsys.readouterr().err
