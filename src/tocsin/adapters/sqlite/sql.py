"""
SQL lives in ``queries/<name>.sql``, each statement under a heading of its own::

    -- heading --
    SELECT …

Many values are bound as one: ``carray(?)`` is a table of the numbers, texts or blobs that
`bind_numbers`, `bind_texts` and `bind_blobs` make, so no statement is ever put together from strings.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

import apsw

# Binding an empty array is an error; without an array the table is empty.
_NO_ROWS: Final = None

_HEADING: Final = re.compile(r"^-- (\w+) --$", re.MULTILINE)


@cache
def queries(name: str) -> Mapping[str, str]:
    """Read ``queries/<name>.sql``: statements by heading."""
    text = (files("tocsin.adapters.sqlite") / "queries" / f"{name}.sql").read_text("utf-8")
    _, *parts = _HEADING.split(text)
    return MappingProxyType(dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True)))


def bind_numbers(values: Iterable[int]) -> Any:
    """Bind whole numbers as a table."""
    bound = array("q", values)
    return apsw.carray(bound) if bound else _NO_ROWS


def bind_texts(values: Iterable[str]) -> Any:
    """Bind texts as a table, but for those with a NUL, which nothing here is stored under."""
    bound = tuple([value for value in values if "\0" not in value])
    return apsw.carray(bound) if bound else _NO_ROWS


def bind_blobs(values: Iterable[bytes]) -> Any:
    """Bind byte strings as a table."""
    bound = tuple(values)
    return apsw.carray(bound) if bound else _NO_ROWS
