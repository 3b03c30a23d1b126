"""
What Slack shows: Block Kit with rich text, whose texts are literal.

Markup and mentions (``*bold*``, ``<!channel>``, ``:emoji:``) only mean something in the text
objects of other blocks, so nothing in here has to be escaped but the line for notifications.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tocsin.channels.chat.writing.buttons import links
from tocsin.channels.chat.writing.fitting import cut
from tocsin.ports.message import Content

ACKNOWLEDGE: Final = "acknowledge"
TITLE_UNITS_MAX: Final = 250
BODY_UNITS_MAX: Final = 11_000
"""All blocks together are refused from about 13,200 characters on, which Slack documents nowhere."""
FALLBACK_UNITS_MAX: Final = 3_000
LABEL_UNITS_MAX: Final = 75
ALT_UNITS_MAX: Final = 2_000
BUTTONS_MAX: Final = 24

_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def blocks(content: Content, reference: str, acknowledge: str | None) -> list[dict[str, Any]]:
    """Return the blocks; *acknowledge* is the label of that button, if there is to be one."""
    found: list[dict[str, Any]] = [
        {
            "type": "rich_text",
            "block_id": reference,
            "elements": [{"type": "rich_text_section", "elements": list(_words(content))}],
        }
    ]
    image = content.fields.get("image")
    if image is not None:
        alt = cut(content.title or content.body or image, ALT_UNITS_MAX)
        found.append({"type": "image", "image_url": image, "alt_text": alt})
    buttons = list(_buttons(content, reference, acknowledge))
    if buttons:
        found.append({"type": "actions", "elements": buttons})
    return found


def fallback(content: Content) -> str:
    """Return the line for notifications and screen readers: mrkdwn without any markup."""
    text = ": ".join(filter(None, (content.title, content.body)))
    return cut(text, FALLBACK_UNITS_MAX).translate(_ESCAPES)


def acknowledged(shown: object, said: str, user: str) -> list[Any]:
    """Return the blocks of a message with who acknowledged it in the place of the button."""
    found = []
    for block in shown if isinstance(shown, list) else []:
        if not isinstance(block, dict):
            continue
        if block.get("type") == "actions":
            left = [each for each in block.get("elements", ()) if not _is_ours(each)]
            if not left:
                continue
            block = {**block, "elements": left}  # noqa: PLW2901  # the same block without its button
        found.append(block)
    text = f"✓ {said.translate(_ESCAPES)} · <@{user}>" if user else f"✓ {said.translate(_ESCAPES)}"
    found.append({"type": "context", "elements": [{"type": "mrkdwn", "text": text}]})
    return found


def _is_ours(element: object) -> bool:
    return isinstance(element, dict) and element.get("action_id") == ACKNOWLEDGE


def _words(content: Content) -> Iterator[dict[str, Any]]:
    url = content.fields.get("url")
    title = cut(content.title, TITLE_UNITS_MAX)
    if title and url is not None:
        yield {"type": "link", "url": url, "text": title, "style": {"bold": True}}
    elif title:
        yield {"type": "text", "text": title, "style": {"bold": True}}
    if content.body:
        between = "\n" if title else ""
        yield {"type": "text", "text": between + cut(content.body, BODY_UNITS_MAX)}
    if url is not None and not title:
        yield {"type": "text", "text": "\n" if content.body else " "}
        yield {"type": "link", "url": url}
    elif not title and not content.body:
        # Slack takes no empty text.
        yield {"type": "text", "text": " "}


def _buttons(content: Content, reference: str, acknowledge: str | None) -> Iterator[dict[str, Any]]:
    for n, button in enumerate(links(content, BUTTONS_MAX)):
        yield {**_button(button.label), "action_id": f"link-{n}", "url": button.url}
    if acknowledge is not None:
        own = {"action_id": ACKNOWLEDGE, "value": reference, "style": "primary"}
        yield {**_button(acknowledge), **own}


def _button(label: str) -> dict[str, Any]:
    text = {"type": "plain_text", "text": cut(label, LABEL_UNITS_MAX) or " ", "emoji": False}
    return {"type": "button", "text": text}
