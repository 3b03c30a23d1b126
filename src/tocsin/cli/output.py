"""Printing: one JSON document for machines, a plain table for people."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click
import msgspec

Command = TypeVar("Command", bound=Callable[..., Any])

_WIDTH_WITHOUT_TERMINAL: Final = 200
_GAP: Final = 2
_NEVER_WRAPPED: Final = 12
"""The width up to which a column is as wide as it needs to be, such as one of numbers."""
_NOTHING: Final = frozenset({"", "0"})


def json_option(command: Command) -> Command:
    """Give *command* the option ``--json``, as its argument ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")(
        command
    )


def print_json(document: object) -> None:
    """Print *document*, made of plain values and Structs, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))


def print_warnings(warnings: Iterable[str]) -> None:
    """Print what was accepted and probably not meant, where it does not disturb a pipe."""
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


def local_time(at: str | int | None) -> str:
    """
    Return an instant in the local zone, to the second, with its offset.

    *at* is an RFC 3339 time of an answer, or whole milliseconds.
    """
    if at is None:
        return ""
    utc = datetime.fromtimestamp(at // 1_000, UTC) if isinstance(at, int) else _instant(at)
    return utc.astimezone().isoformat(" ", "seconds")


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """
    Print *rows* below the names of *columns*, without lines, so that it can be grepped and cut.

    In a pipe the table is as wide as it needs to be. A terminal that is too narrow gets no columns
    of which all is zero or empty; then long cells wrap, and short ones never do.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    widths = [
        max(cell_len(each) for each in column) for column in zip(columns, *cells, strict=True)
    ]
    shown = set(range(len(columns)))
    if sum(widths) + _GAP * (len(columns) - 1) > width:
        shown -= {n for n in shown if cells and all(row[n] in _NOTHING for row in cells)}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for n in sorted(shown):
        table.add_column(columns[n], overflow="fold", no_wrap=widths[n] <= _NEVER_WRAPPED)
    for row in cells:
        # Text, because a value may hold what rich would read as markup.
        table.add_row(*(Text(row[n]) for n in sorted(shown)))
    # The height is not used, but without it rich takes 80 columns for a terminal that is dumb.
    console = Console(width=width, height=25, highlight=False, soft_wrap=False)
    console.print(table)
    left_out = [name for n, name in enumerate(columns) if n not in shown]
    if left_out:
        console.print(Text(f"Nothing in: {', '.join(left_out)}."))
