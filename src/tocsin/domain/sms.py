"""How text becomes the parts of an SMS: its encoding, and how many parts carry it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

Encoding = Literal["GSM-7", "UCS-2"]

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""3GPP TS 23.038, 6.2.1: characters of one septet."""
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")
"""6.2.1.1: an escape and a septet, which no part may separate."""
_PLAIN: Final = _BASIC - {"\x1b"}


class Limits(NamedTuple):
    """Units that fit into a message of one part, and into each of several."""

    alone: int
    in_parts: int


LIMITS: Final[dict[Encoding, Limits]] = {
    # 140 bytes; a part of several gives 6 of them to the header that joins them (TS 23.040).
    "GSM-7": Limits(160, 153),
    "UCS-2": Limits(70, 67),
}


class Segments(NamedTuple):
    """
    What a text costs on the air.

    ``units`` are septets of GSM-7 or 16-bit units of UCS-2; ``parts`` is their number, 1
    for no text at all.
    """

    encoding: Encoding
    units: int
    parts: int


def segments(text: str) -> Segments:
    """
    Return how *text* is sent: by GSM-7 if it has every character, else all of it by UCS-2.

    Neither an escaped character nor one outside the basic plane (two units of UTF-16, which is
    what networks carry as UCS-2) is divided between two parts.
    """
    encoding: Encoding = "UCS-2" if unencodable(text) else "GSM-7"
    widths = list(_widths(text, encoding))
    units = sum(widths)
    alone, in_parts = LIMITS[encoding]
    return Segments(encoding, units, 1 if units <= alone else _parts(widths, in_parts))


def unencodable(text: str) -> str:
    """Return the characters that force a text into UCS-2, each once, in their order."""
    return "".join(dict.fromkeys(c for c in text if c not in _PLAIN and c not in _EXTENDED))


def _widths(text: str, encoding: Encoding) -> Iterator[int]:
    if encoding == "GSM-7":
        return (2 if character in _EXTENDED else 1 for character in text)
    return (2 if ord(character) > 0xFFFF else 1 for character in text)


def _parts(widths: Iterable[int], limit: int) -> int:
    count, filled = 1, 0
    for width in widths:
        if filled + width > limit:
            count, filled = count + 1, 0
        filled += width
    return count


def shortened(text: str, characters_max: int) -> str:
    """
    Return *text*, or its beginning with three dots: an ellipsis would force UCS-2 upon all of it.

    >>> shortened("shipped today", 10)
    'shipped...'
    """
    return text if len(text) <= characters_max else text[: characters_max - 3] + "..."
