"""The plain page around what a step says without a page of its own."""

from __future__ import annotations

import re
from html import escape
from typing import Final

UNSUBSCRIBE_PLACE: Final = "<!--tocsin:unsubscribe-->"
"""Where a page wants the link with which its reader switches such letters off."""

_WHOLE: Final = re.compile(r"<(?:!doctype|html|body)\b", re.IGNORECASE)
_BODY: Final = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_PARAGRAPHS: Final = re.compile(r"\n{2,}")

# Styles stand in the elements, since some programs drop what stands in the head; only what cannot
# stand there (dark colours) is in the head, and is missed by nobody where it is dropped.
_BEFORE: Final = (
    '<!DOCTYPE html><html><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width">'
    '<meta name="color-scheme" content="light dark">'
    '<meta name="supported-color-schemes" content="light dark"><title>'
)
_STYLE: Final = (
    "</title><style>:root{color-scheme:light dark}"
    "@media (prefers-color-scheme:dark){.t-page{background:#16181d!important}"
    ".t-card{background:#1f2229!important;color:#e8e9ec!important}"
    ".t-foot{color:#a0a4ad!important}}</style></head>"
    '<body class="t-page" style="margin:0;padding:24px 12px;background:#f3f4f6">'
)
_CARD: Final = (
    '<div class="t-card" style="max-width:560px;margin:0 auto;padding:24px;border-radius:8px;'
    "background:#ffffff;color:#1d2026;font:16px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,"
    'Arial,sans-serif">'
)
_AFTER: Final = f"</div>\n{UNSUBSCRIBE_PLACE}\n</body></html>"
_HIDDEN: Final = (
    '<div style="display:none;max-height:0;overflow:hidden;font-size:1px;line-height:1px">{}</div>'
)
_HEADING: Final = '<h1 style="margin:0 0 12px;font-size:20px;line-height:1.3">{}</h1>'
_PARAGRAPH: Final = '<p style="margin:0 0 12px">{}</p>'
_FOOT: Final = (
    '<p class="t-foot" style="max-width:560px;margin:12px auto 0;text-align:center;color:#5b616e;'
    "font:13px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif\">"
    '<a class="t-foot" style="color:#5b616e" href="{}">Unsubscribe</a></p>'
)


def framed(name: str, title: str, body: str, preheader: str) -> str:
    """Return a page called *name* that says *title* and *body*, all text; lines stay lines."""
    paragraphs = [
        _PARAGRAPH.format(escape(each).replace("\n", "<br>"))
        for each in _PARAGRAPHS.split(body.strip("\n"))
    ]
    heading = _HEADING.format(escape(title)) if title else ""
    return _page(name, heading + "\n".join(paragraphs), preheader)


def completed(page: str, name: str, preheader: str) -> str:
    """
    Return *page*, framed when it is a part of a page, with what previews show before it.

    The frame calls it *name*.
    """
    if _WHOLE.search(page) is None:
        return _page(name, page, preheader)
    if not preheader:
        return page
    begins = _BODY.search(page)
    at = begins.end() if begins is not None else 0
    return page[:at] + _HIDDEN.format(escape(preheader)) + page[at:]


def footer(unsubscribe: str) -> str:
    """Return what is put in `UNSUBSCRIBE_PLACE`."""
    return _FOOT.format(escape(unsubscribe))


def _page(name: str, inner: str, preheader: str) -> str:
    hidden = _HIDDEN.format(escape(preheader)) if preheader else ""
    return f"{_BEFORE}{escape(name)}{_STYLE}{hidden}{_CARD}{inner}{_AFTER}"
