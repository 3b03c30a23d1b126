"""What a step on each channel can say, and how far quiet hours and defaults concern it."""

from __future__ import annotations

from typing import Final

INBOX: Final = "inbox"
"""The one channel that needs no provider: what it shows is stored here."""

CHANNEL_FIELDS: Final[dict[str, frozenset[str]]] = {
    INBOX: frozenset({"title", "body", "url", "image"}),
    "email": frozenset({"subject", "html", "text", "title", "body", "preheader", "reply_to"}),
    "push": frozenset({"title", "body", "url", "image", "sound", "collapse_key"}),
    "sms": frozenset({"title", "body"}),
    "voice": frozenset({"title", "body"}),
    "chat": frozenset({"title", "body", "url", "image", "collapse_key"}),
    "webhook": frozenset({"title", "body", "url", "image"}),
}
"""The fields of a step that are templates, by channel; a step may name no others."""

ACTING: Final = frozenset({INBOX, "push", "chat"})
"""Channels whose messages may have buttons that lead somewhere."""

HTML_FIELDS: Final = frozenset({"html"})
"""Fields whose variables are escaped for HTML."""

ONE_TEXT: Final = frozenset({"sms", "voice"})
"""Channels that say title and body as one text."""

WAKING: Final = frozenset({"push"})
"""Channels whose messages may say nothing, and wake the app; their title and body may be empty."""

LINKED: Final = frozenset({"email"})
"""Channels whose messages bring a link along with which they are switched off."""

BADGED: Final = frozenset({"push"})
"""Channels that show how many items of the inbox are unseen."""

FOLLOWED: Final = frozenset({"email"})
"""Channels whose messages can tell that they were opened, or followed."""

ATTACHING: Final = frozenset({"email"})
"""Channels whose messages may bring files along."""

OFF_IN_BULK: Final = frozenset({"sms", "voice"})
"""Channels that the product leaves off in the lane bulk, since each message costs or rings."""

TOLD_BY_APPS: Final = frozenset({"push"})
"""Channels whose messages the recipient's own app may report of, whatever the provider does."""
