"""The body of a letter: one part, or two of which the reader's program shows one (RFC 2046)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.channels.email.writing.bodies import Encoding, encode, encoding_for
from tocsin.channels.email.writing.files import FILE, encoded_file
from tocsin.channels.email.writing.frame import UNSUBSCRIBE_PLACE, footer
from tocsin.ports.message import Attachment

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
    def of(cls, fields: Mapping[str, str], files: Sequence[Attachment] = ()) -> Parts:
        """Encode ``text``, ``html`` and *files*; a gap is where the page has a place for the link."""
        parts = cls._of_texts(fields)
        for kind, some in (
            (b"related", [each for each in files if each.content_id is not None]),
            (b"mixed", [each for each in files if each.content_id is None]),
        ):
            if some:
                parts = parts.wrapped(kind, b"".join(map(encoded_file, some)))
        return parts

    @classmethod
    def _of_texts(cls, fields: Mapping[str, str]) -> Parts:
        text, page = fields.get("text", ""), fields.get("html", "")
        of_text = encoding_for(text)
        plain = _part(b"plain", text, of_text)
        if not page:
            return cls((plain, b""), (of_text,))
        of_page = encoding_for(page)
        before, place, after = page.partition(UNSUBSCRIBE_PLACE)
        head, middle = _MULTIPART + plain, _BETWEEN + _part(b"html", before, of_page)
        if not place:
            return cls((head + middle + _END,))
        return cls((head, middle, encode(after, of_page) + _END), (of_text, of_page))

    def wrapped(self, kind: bytes, files: bytes) -> Parts:
        """Return this and *files* as the parts of a larger one."""
        boundary = b"%b-%b" % (_BOUNDARY, kind)
        begin = b'Content-Type: multipart/%b; boundary="%b"\r\n\r\n--%b\r\n' % (
            kind,
            boundary,
            boundary,
        )
        end = files.replace(FILE, b"\r\n--%b\r\n" % boundary) + b"\r\n--%b--\r\n" % boundary
        pieces = [*self.pieces]
        pieces[0] = begin + pieces[0]
        pieces[-1] += end
        return Parts(tuple(pieces), self.encodings)

    def with_link(self, unsubscribe: str | None) -> bytes:
        """Return the whole body, with the header fields of its own that it begins with."""
        if unsubscribe is None or not self.encodings:
            return b"".join(self.pieces)
        links = (f"\n\nUnsubscribe: {unsubscribe}", footer(unsubscribe))
        whole = [self.pieces[0]]
        for link, encoding, piece in zip(links, self.encodings, self.pieces[1:], strict=False):
            whole += (encode(link, encoding), piece)
        return b"".join(whole)


def _part(kind: bytes, text: str, encoding: Encoding) -> bytes:
    return _PART % (kind, encoding.encode(), encode(text, encoding))
