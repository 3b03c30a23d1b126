"""Names that nothing goes by: said with the one that may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Final

from tocsin.errors import NotFound

_SAID_MAX: Final = 80


def no_such(what: str, name: str, known: Collection[str] = ()) -> NotFound:
    """
    Return the error that there is no *what* called *name*; not for names of persons.

    *known* are the names that there are, of which the nearest is suggested.
    """
    said = f"there is no {what} {name[:_SAID_MAX]!r}"
    close = nearest(name, known)
    return NotFound(said if close is None else f"{said}; did you mean {close!r}?")


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the one of *known* that *name* is probably a misspelling of."""
    found = difflib.get_close_matches(name[:_SAID_MAX], known, n=1)
    return found[0] if found else None
