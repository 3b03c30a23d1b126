"""Rendered text without the characters that no letter may hold."""

from __future__ import annotations

import re
from typing import Final

_BREAKS: Final = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SPACES: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f]")


def one_line(text: str) -> str:
    """
    Return *text* as one line: what separates lines becomes a space, control characters go.

    So do the marks that reverse the direction of writing, which make a subject read as another.
    """
    if text.isprintable() and "  " not in text and not text.startswith(" "):
        return text.rstrip(" ")
    return _SPACES.sub(" ", text).strip()


def some_lines(text: str) -> str:
    """Return *text* with ``\\n`` between its lines and without other control characters."""
    if text.isprintable():
        return text
    return _CONTROLS.sub("", _BREAKS.sub("\n", text))
