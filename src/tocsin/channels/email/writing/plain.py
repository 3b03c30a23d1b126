"""
A page as plain text, for those who read letters so.

One pass from left to right, in linear time whatever it is given: pages are as large as templates
may render, and are made while somebody waits.
"""

from __future__ import annotations

import html
import re
from typing import Final

_SILENT: Final = frozenset({"head", "script", "style", "template", "title"})
_BLOCKS: Final = frozenset(
    {"address", "article", "blockquote", "body", "center", "div", "dl", "footer", "form", "header"}
    | {"main", "nav", "section", "table", "tbody", "thead", "dt", "dd", "html"}
)
_PARAGRAPHS: Final = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "pre", "hr"})
_QUOTED_PARTS_MAX: Final = 8

_NAME: Final = re.compile(r"/?([a-zA-Z][a-zA-Z0-9]*)")
_LINK: Final = re.compile(r"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""", re.IGNORECASE)
_ALTERNATIVE: Final = re.compile(r"""\balt\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_SPACES: Final = re.compile(r"[ \t\r\n\f]+")
_RUNS: Final = re.compile(r" {2,}")
_AROUND_BREAKS: Final = re.compile(r" ?\n ?")
_GAPS: Final = re.compile(r"\n{3,}")


def plain_text(page: str) -> str:
    """Return what *page* says: paragraphs apart, the address of a link behind its text."""
    return _Reader(page).read()


class _Reader:
    def __init__(self, page: str) -> None:
        self._page = page
        self._folded = page.lower() if len(page.lower()) == len(page) else page
        self._out: list[str] = []
        self._link: tuple[str, int] | None = None

    def read(self) -> str:
        page, at = self._page, 0
        while (begin := page.find("<", at)) >= 0:
            self._say(page[at:begin])
            at = self._after(begin)
            if at < 0:
                break
        else:
            self._say(page[at:])
        text = _AROUND_BREAKS.sub("\n", _RUNS.sub(" ", "".join(self._out)))
        return _GAPS.sub("\n\n", text).strip()

    def _after(self, begin: int) -> int:
        """Take in what begins with ``<``; return where it ends, below 0 where all of the rest."""
        page = self._page
        if page.startswith("<!--", begin):
            end = page.find("-->", begin + 4)
            return end if end < 0 else end + 3
        named = _NAME.match(page, begin + 1)
        if named is None and page[begin + 1 : begin + 2] not in {"!", "?", "/"}:
            self._say("<")
            return begin + 1
        end = self._tag_end(begin)
        if end < 0 or named is None:
            return end
        name, closing = named[1].lower(), page[begin + 1] == "/"
        if name in _SILENT and not closing:
            end = self._folded.find(f"</{name}", end)
            return end if end < 0 else self._tag_end(end)
        self._tag(name, page[begin:end], closing=closing)
        return end

    def _tag_end(self, begin: int) -> int:
        """Return where the tag ends; a ``>`` in a quoted value does not end it."""
        end = begin
        for _ in range(_QUOTED_PARTS_MAX):
            found = self._page.find(">", end)
            if found < 0:
                return -1 if end == begin else end
            end = found + 1
            if self._page.count('"', begin, end) % 2 == 0:
                return end
        return end

    def _tag(self, name: str, tag: str, *, closing: bool) -> None:
        if name == "a":
            self._anchor(tag, closing=closing)
        elif name == "img":
            found = _ALTERNATIVE.search(tag)
            self._say((found[1] or found[2] or "") if found else "")
        elif name in _PARAGRAPHS:
            self._out.append("\n\n")
        elif name in _BLOCKS:
            self._out.append("\n")
        elif name == "li" and not closing:
            self._out.append("\n- ")
        elif name == "br" or (name == "tr" and closing):
            self._out.append("\n")
        elif name in {"td", "th"} and closing:
            self._out.append(" ")

    def _anchor(self, tag: str, *, closing: bool) -> None:
        if not closing:
            found = _LINK.search(tag)
            address = html.unescape((found[1] or found[2] or found[3] or "") if found else "")
            self._link = (address.strip(), len(self._out))
        elif self._link is not None:
            address, since = self._link
            self._link = None
            text = "".join(self._out[since:]).strip()
            if address.startswith(("http://", "https://")) and address != text:
                self._out.append(f" ({address})" if text else address)

    def _say(self, text: str) -> None:
        if text:
            self._out.append(_SPACES.sub(" ", html.unescape(text)))
