"""
What Telegram shows: plain text with entities beside it, which name places in UTF-16 units.

So no text has to be escaped. Telegram looks for mentions in any text, though, and tells who is
mentioned; a word joiner behind the @ keeps it from finding any.
"""

from __future__ import annotations

import re
from typing import Any, Final

from tocsin.channels.chat.writing.buttons import links
from tocsin.channels.chat.writing.fitting import cut, units
from tocsin.ports.message import Content

TEXT_UNITS_MAX: Final = 4_096
TITLE_UNITS_MAX: Final = 400
LABEL_UNITS_MAX: Final = 64
BUTTONS_MAX: Final = 20

_MENTION: Final = re.compile(r"(https?://\S+)|(?<!\w)@(?=\w)")
_KEPT: Final = frozenset({"bold", "text_link"})


def text_of(content: Content) -> dict[str, Any]:
    """Return the fields of a message: ``text``, ``entities`` and what is shown of links."""
    url, image = content.fields.get("url"), content.fields.get("image")
    title = cut(quiet(content.title), TITLE_UNITS_MAX)
    lines = [title, quiet(content.body)]
    if url is not None and not title:
        lines.append(url)
    text = cut("\n".join(filter(None, lines)), TEXT_UNITS_MAX)
    entities: list[dict[str, Any]] = []
    if title:
        place = {"offset": 0, "length": units(title)}
        entities.append({"type": "bold", **place})
        if url is not None:
            entities.append({"type": "text_link", **place, "url": url})
    preview: dict[str, Any] = {"is_disabled": True}
    if image is not None:
        preview = {"url": image, "prefer_large_media": True}
    return {"text": text, "entities": entities, "link_preview_options": preview}


def keyboard(content: Content, acknowledge: tuple[str, str] | None) -> dict[str, Any] | None:
    """Return the buttons; *acknowledge* is label and what comes back."""
    rows = [
        [{"text": cut(each.label, LABEL_UNITS_MAX) or "→", "url": each.url}]
        for each in links(content, BUTTONS_MAX)
    ]
    if acknowledge is not None:
        label, reference = acknowledge
        rows.append([{"text": label, "callback_data": reference}])
    return {"inline_keyboard": rows} if rows else None


def acknowledged(shown: dict[str, Any], said: str, name: str) -> dict[str, Any] | None:
    """Return a message with who acknowledged it below; None where there is no room."""
    text = shown.get("text")
    suffix = "\n\n✓ " + cut(" · ".join(filter(None, (said, quiet(name)))), 200)
    if not isinstance(text, str) or units(text) + units(suffix) > TEXT_UNITS_MAX:
        return None
    entities = [
        each
        for each in shown.get("entities") or ()
        if isinstance(each, dict) and each.get("type") in _KEPT
    ]
    fields: dict[str, Any] = {"text": text + suffix, "entities": entities}
    if isinstance(preview := shown.get("link_preview_options"), dict):
        fields["link_preview_options"] = preview
    return fields


def without(shown: dict[str, Any], reference: str) -> dict[str, Any]:
    """Return the buttons of a message but for the one that gives *reference* back."""
    markup = shown.get("reply_markup")
    rows = markup.get("inline_keyboard") if isinstance(markup, dict) else None
    left = [
        [each for each in row if each.get("callback_data") != reference]
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, list) and all(isinstance(each, dict) for each in row)
    ]
    return {"inline_keyboard": [row for row in left if row]}


def quiet(text: str) -> str:
    """Return *text* with nothing in it that Telegram takes for a mention."""
    return _MENTION.sub(lambda found: found[1] or "@\u2060", text) if "@" in text else text
