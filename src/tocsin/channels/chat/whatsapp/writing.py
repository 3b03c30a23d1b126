"""
What WhatsApp shows: a text, a picture with one, a text with a button, or an approved template.

Outside of 24 hours after a person wrote last, only templates reach her. WhatsApp reads markup in
texts and has no escapes for it; a word joiner behind a mark keeps it from being one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tocsin.channels.chat.writing.buttons import links
from tocsin.channels.chat.writing.fitting import cut, plain_line
from tocsin.ports.message import Content, Message

TEXT_UNITS_MAX: Final = 4_096
BUTTONS_MAX: Final = 10
SHORT_UNITS_MAX: Final = 1_024
"""Of captions, of texts with a button, and of a template's parameters."""

_MARK: Final = re.compile(r"(?<!\w)([*_~`])(?=\S)|^([>#-]|\d+\.)(?= )", re.MULTILINE)


def fields_of(message: Message, acknowledge: str | None) -> dict[str, Any]:
    """Return type and content of a message; *acknowledge* is the label of that button, if any."""
    content, template = message.content, message.options.get("template")
    if isinstance(template, Mapping):
        return _template(message, template, offered=acknowledge is not None)
    image = content.fields.get("image")
    if acknowledge is not None:
        own = {"type": "reply", "reply": {"id": message.reference, "title": acknowledge}}
        interactive: dict[str, Any] = {
            "type": "button",
            "body": {"text": _text(content, SHORT_UNITS_MAX)},
            "action": {"buttons": [own]},
        }
        if image is not None:
            interactive["header"] = {"type": "image", "image": {"link": image}}
        return {"type": "interactive", "interactive": interactive}
    if image is not None:
        shown = {"link": image, "caption": _text(content, SHORT_UNITS_MAX)}
        return {"type": "image", "image": shown}
    text = {"body": _text(content, TEXT_UNITS_MAX), "preview_url": False}
    return {"type": "text", "text": text}


def quiet(text: str) -> str:
    """Return *text* with nothing in it that WhatsApp takes for markup."""
    return _MARK.sub(lambda found: f"{found[0]}\u2060", text)


def _text(content: Content, units_max: int) -> str:
    title = content.title.replace("*", "").strip()
    places = [f"{each.label}: {each.url}" for each in links(content, BUTTONS_MAX)]
    if (url := content.fields.get("url")) is not None:
        places.insert(0, url)
    tail = "\n\n" + "\n".join(places) if places else ""
    if len(tail) > units_max // 2:
        # Half of a link leads astray.
        tail = ""
    head = "\n".join(filter(None, (f"*{title}*" if title else "", quiet(content.body))))
    return (cut(head, units_max - len(tail)) + tail).strip()


def _template(
    message: Message, template: Mapping[object, object], *, offered: bool
) -> dict[str, Any]:
    """
    Return what a template is filled with: its ``parameters`` are texts, in order.

    ``acknowledge_button`` is the place of the quick reply that acknowledges, from 0.
    """
    given = template.get("parameters")
    components: list[dict[str, Any]] = []
    if isinstance(given, Sequence) and not isinstance(given, str) and given:
        texts = [{"type": "text", "text": _parameter(text)} for text in given]
        components.append({"type": "body", "parameters": texts})
    place = template.get("acknowledge_button")
    if offered and isinstance(place, int):
        payload = {"type": "payload", "payload": message.reference}
        button = {"type": "button", "sub_type": "quick_reply", "index": str(place)}
        components.append({**button, "parameters": [payload]})
    language = str(template.get("language") or message.locale or "en").replace("-", "_")
    return {
        "type": "template",
        "template": {
            "name": str(template.get("name", "")),
            "language": {"code": language},
            "components": components,
        },
    }


def _parameter(text: object) -> str:
    """Return one as one line, as Meta demands, and never empty."""
    return cut(plain_line(str(text)), SHORT_UNITS_MAX) or "–"
