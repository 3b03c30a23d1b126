"""
What Discord shows: an embed, whose texts are Markdown, so that data is escaped letter by letter.

Nobody is pinged from an embed, and ``allowed_mentions`` says so once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from tocsin.channels.chat.writing.buttons import links
from tocsin.channels.chat.writing.fitting import cut, fill, signs
from tocsin.ports.message import Content

ACKNOWLEDGE: Final = "acknowledge:"
TITLE_UNITS_MAX: Final = 256
BODY_UNITS_MAX: Final = 4_096
LABEL_UNITS_MAX: Final = 80
BUTTONS_MAX: Final = 24

_ROW: Final = 5
_ACTION_ROW: Final = 1
_BUTTON: Final = 2
_PRIMARY: Final = 1
_LINK: Final = 5
_MARKUP: Final = frozenset("\\*_~`|<>#[]()-+:@")
# A backslash inside of a link would become a part of it, and links are taken before markup.
_LINKS: Final = re.compile(r"(https?://[^\s<>()\[\]*|`\\]+[^\s<>()\[\]*|`\\.,:;\"'])")


def fields_of(content: Content, reference: str, acknowledge: str | None) -> dict[str, Any]:
    """Return the fields of a message; *acknowledge* is the label of that button, if any."""
    embed: dict[str, Any] = {"description": fill(_escaped(content.body), BODY_UNITS_MAX)}
    if content.title:
        embed["title"] = fill(_escaped(content.title), TITLE_UNITS_MAX)
    if (url := content.fields.get("url")) is not None:
        embed["url"] = url
        if not content.title:
            embed["title"] = cut(url, TITLE_UNITS_MAX)
    if (image := content.fields.get("image")) is not None:
        embed["image"] = {"url": image}
    buttons = [
        {"type": _BUTTON, "style": _LINK, "label": _label(each.label), "url": each.url}
        for each in links(content, BUTTONS_MAX)
    ]
    if acknowledge is not None:
        custom_id = ACKNOWLEDGE + reference
        own = {"style": _PRIMARY, "label": acknowledge, "custom_id": custom_id}
        buttons.append({"type": _BUTTON, **own})
    rows = [buttons[n : n + _ROW] for n in range(0, len(buttons), _ROW)]
    return {
        "embeds": [embed],
        "components": [{"type": _ACTION_ROW, "components": row} for row in rows],
        "allowed_mentions": {"parse": []},
    }


def acknowledged(shown: dict[str, Any], said: str, user: str) -> dict[str, Any]:
    """Return the fields of a message without its button, and with who pressed it above."""
    who = f" · <@{user}>" if user else ""
    rows = []
    for row in shown.get("components") or ():
        kept = [each for each in row.get("components", ()) if not _is_ours(each)]
        if kept:
            rows.append({"type": _ACTION_ROW, "components": kept})
    return {
        "content": f"✓ {''.join(_escaped(said))}{who}",
        "embeds": shown.get("embeds") or [],
        "components": rows,
        "allowed_mentions": {"parse": []},
    }


def _is_ours(button: dict[str, Any]) -> bool:
    return str(button.get("custom_id", "")).startswith(ACKNOWLEDGE)


def _label(text: str) -> str:
    return cut(text, LABEL_UNITS_MAX) or "→"


def _escaped(text: str) -> Iterator[str]:
    """Yield *text* in pieces that must not be cut: links, and letters with what escapes them."""
    for n, part in enumerate(_LINKS.split(text)):
        if n % 2:
            yield part
            continue
        for sign in signs(part):
            yield f"\\{sign}" if sign[0] in _MARKUP else sign
