"""The body of a letter: one part, or two of which the reader's program shows one (RFC 2046)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.channels.email.writing.bodies import Encoding, encode, encoding_for
from tocsin.channels.email.writing.frame import UNSUBSCRIBE_PLACE, footer

_BOUNDARY: Final = b"=_tocsin"
_MULTIPART: Final = b'Content-Type: multipart/alternative; boundary="%b"\r\n\r\n--%b\r\n' % (
    _BOUNDARY,
    _BOUNDARY,
)
_BETWEEN: Final = b"\r\n--%b\r\n" % _BOUNDARY
_END: Final = b"\r\n--%b--\r\n" % _BOUNDARY
_PART: Final = b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n%b"


@dataclass(frozen=True, slots=True)
class Parts:
    """
    What all readers of one text are sent, encoded, with gaps for the links that differ.

    ``pieces`` are the bytes around the gaps: one in the text and one in the page, or one behind the
    text where that is all, or none in a page that has no place for it.
    """

    pieces: tuple[bytes, ...]
    encodings: tuple[Encoding, ...] = ()
    """Of the text and the page, as far as they have a gap."""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Parts:
        """Encode ``text`` and ``html``; a gap is where the page has a place for the link."""
        text, page = fields.get("text", ""), fields.get("html", "")
        of_text = encoding_for(text)
        plain = _part(b"plain", text, of_text)
        if not page:
            return cls((plain,), (of_text,))
        of_page = encoding_for(page)
        before, place, after = page.partition(UNSUBSCRIBE_PLACE)
        head, middle = _MULTIPART + plain, _BETWEEN + _part(b"html", before, of_page)
        if not place:
            return cls((head + middle + _END,))
        return cls((head, middle, encode(after, of_page) + _END), (of_text, of_page))

    def with_link(self, unsubscribe: str | None) -> bytes:
        """Return the whole body, with the header fields of its own that it begins with."""
        if unsubscribe is None or not self.encodings:
            return b"".join(self.pieces)
        text = encode(f"\n\nUnsubscribe: {unsubscribe}", self.encodings[0])
        if len(self.encodings) == 1:
            return self.pieces[0] + text
        head, middle, tail = self.pieces
        of_page = self.encodings[1]
        page = encode(footer(unsubscribe), of_page)
        return b"".join((head, text, middle, page, tail))


def _part(kind: bytes, text: str, encoding: Encoding) -> bytes:
    return _PART % (kind, encoding.encode(), encode(text, encoding))
