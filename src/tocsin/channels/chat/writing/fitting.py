"""
Text cut to what a platform takes.

Platforms count in UTF-16 units or in characters, and few say which. Units are counted here: they
are never fewer than characters, so what fits by them fits either way.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

_MARK: Final = "…"
_JOINERS: Final = frozenset("\u200d\ufe0e\ufe0f")
_BREAKS: Final = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Beside controls: what turns the direction of writing round, so that a name reads as another.
_UNSEEN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SPACES: Final = re.compile(r"\s+")


def units(text: str) -> int:
    """Return the length of *text* in UTF-16 units."""
    if text.isascii():
        return len(text)
    return len(text) + sum(1 for letter in text if letter > "\uffff")


def plain_lines(text: str) -> str:
    """Return *text* with ``\\n`` between its lines and without what cannot be seen."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub("", _BREAKS.sub("\n", text))


def plain_line(text: str) -> str:
    """Return *text* as one line."""
    return _SPACES.sub(" ", plain_lines(text)).strip()


def cut(text: str, units_max: int) -> str:
    """
    Return as much of *text* as fits, with an ellipsis where some is missing.

    Nothing that is one sign for a reader (a letter with its accents, a joined emoji) is cut in two.
    """
    if len(text) * 2 <= units_max or units(text) <= units_max:
        return text
    return "".join(_fitting(text, units_max - 1)).rstrip() + _MARK


def fill(pieces: Iterable[str], units_max: int) -> str:
    """
    Return as many whole *pieces* as fit, with an ellipsis where some are missing.

    A piece is what must not be cut: an escaped letter, a link.
    """
    found: list[str] = []
    used = 0
    for piece in pieces:
        size = units(piece)
        if used + size > units_max:
            while found and used + 1 > units_max:
                used -= units(found.pop())
            return "".join(found).rstrip() + _MARK
        found.append(piece)
        used += size
    return "".join(found)


def signs(text: str) -> Iterator[str]:
    """Yield *text* in pieces that are one sign for a reader each, by and large (UAX 29)."""
    piece = ""
    for letter in text:
        if piece and not (_continues(letter) or piece[-1] == "\u200d"):
            yield piece
            piece = ""
        piece += letter
    if piece:
        yield piece


def _fitting(text: str, room: int) -> Iterator[str]:
    for piece in signs(text):
        room -= units(piece)
        if room < 0:
            return
        yield piece


def _continues(letter: str) -> bool:
    if letter < "\u0300":
        return False
    skin = "\U0001f3fb" <= letter <= "\U0001f3ff"
    return letter in _JOINERS or skin or bool(unicodedata.combining(letter))
