"""Pages that tell when they are opened and what is followed in them: their links are exchanged."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urlsplit

TARGET_CHARACTERS_MAX: Final = 1_500
"""A longer address stays as it is: programs for mail begin to cut addresses at about twice this."""

_LINK: Final = re.compile(
    r"""(<a\s(?:[^>"']|"[^"]*"|'[^']*')*?\bhref\s*=\s*)("[^"]*"|'[^']*')""", re.IGNORECASE
)
_END: Final = re.compile(r"</body\s*>", re.IGNORECASE)
_SAFE: Final = "%/:=&?~#+!$,;'@()*[]"
_PICTURE: Final = (
    '<img src="{}" width="1" height="1" alt="" style="display:block;border:0;width:1px;height:1px">'
)


def with_followed_links(page: str, followed: Callable[[str], str]) -> str:
    """Return *page* with the address of each link to the web exchanged for *followed* of it."""

    def exchanged(found: re.Match[str]) -> str:
        target = web_address(html.unescape(found[2][1:-1]).strip())
        if target is None:
            return found[0]
        return f'{found[1]}"{html.escape(followed(target))}"'

    return _LINK.sub(exchanged, page)


def with_picture(page: str, url: str) -> str:
    """Return *page* with a picture at its end that is fetched when somebody looks at it."""
    picture = _PICTURE.format(html.escape(url))
    ends = list(_END.finditer(page))
    if not ends:
        return page + picture
    at = ends[-1].start()
    return page[:at] + picture + page[at:]


def web_address(address: str) -> str | None:
    """Return *address* in ASCII, None where it is none of the web's or too long to be exchanged."""
    try:
        where = urlsplit(address)
        ascii_address = quote(address, safe=_SAFE)
    except ValueError:
        return None
    if where.scheme.lower() not in {"http", "https"} or not where.netloc:
        return None
    return ascii_address if len(ascii_address) <= TARGET_CHARACTERS_MAX else None
