"""
Texts cut to what a payload may hold, counted in bytes of its JSON.

A text is cut between characters, and not between one and what belongs to it (an accent, a skin
tone, the next part of an emoji), so that nothing is shown that nobody wrote.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final

import msgspec

ELLIPSIS: Final = "…"
_JOINER: Final = "\u200d"

_encoder: Final = msgspec.json.Encoder()
Encode = Callable[[str, str], bytes]
"""Returns the payload with a title and a body."""


def fitted(encode: Encode, title: str, body: str, bytes_max: int) -> bytes | None:
    """
    Return the payload in at most *bytes_max* bytes: first the body is cut, then the title.

    None when it would be too large without either.
    """
    payload = encode(title, body)
    if len(payload) <= bytes_max:
        return payload
    body = cut(body, json_bytes(body) - (len(payload) - bytes_max))
    payload = encode(title, body)
    if len(payload) > bytes_max:
        title = cut(title, json_bytes(title) - (len(payload) - bytes_max))
        payload = encode(title, body)
    return payload if len(payload) <= bytes_max else None


def cut(text: str, bytes_max: int) -> str:
    """Return the beginning of *text* whose JSON has at most *bytes_max* bytes, quotes left out."""
    if json_bytes(text) <= bytes_max:
        return text
    room = bytes_max - len(ELLIPSIS.encode())
    if room <= 0:
        return ""
    # No character takes less than a byte, so what is kept is within so many.
    kept = min(len(text), room)
    while (over := json_bytes(text[:kept]) - room) > 0:
        # None takes more than six (an escaped control character), so this many must go.
        kept -= max(1, over // 6)
    while kept and _belongs(text[kept - 1], text[kept]):
        kept -= 1
    return text[:kept].rstrip() + ELLIPSIS if kept else ""


def json_bytes(text: str) -> int:
    """Return how many bytes *text* takes in JSON, quotes left out."""
    return len(_encoder.encode(text)) - 2


def _belongs(before: str, after: str) -> bool:
    return (
        _JOINER in (before, after)
        or unicodedata.category(after) in _ATTACHED
        or ("\U0001f3fb" <= after <= "\U0001f3ff")
    )


_ATTACHED: Final = frozenset({"Mn", "Me", "Mc"})
