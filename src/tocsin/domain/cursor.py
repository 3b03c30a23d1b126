"""
How far a client has come in a person's inbox, as one opaque text.

Inside: the log's incarnation and one position per stream. A client only ever hands back what it was
given; a text that this server never wrote is no error but a cursor that is not known any more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_SHAPE = re.compile(r"[0-9a-f]{1,16}(?:\.[0-9a-f]{1,16}){5}\Z", re.ASCII)


def show_cursor(incarnation: int, vector: Sequence[int]) -> str:
    """
    Return the text for the positions after the last record of each stream.

    >>> show_cursor(1, [10, 0, 0, 2, 255])
    '1.a.0.0.2.ff'
    """
    a, b, c, d, e = vector
    return f"{incarnation:x}.{a:x}.{b:x}.{c:x}.{d:x}.{e:x}"


def read_cursor(text: str, incarnation: int) -> tuple[int, ...] | None:
    """Return the vector, or None for another incarnation and for what is no cursor."""
    if not _SHAPE.match(text):
        return None
    first, *rest = (int(part, 16) for part in text.split("."))
    return tuple(rest) if first == incarnation else None
