"""What providers of texts and calls share: who a message is from, by the country it goes to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tocsin.config import Misconfigured
from tocsin.domain.sms import segments
from tocsin.ports.message import Message
from tocsin.ports.outcomes import ProviderReason, Refused
from tocsin.ports.provider import ProviderSettings
from tocsin.ports.provider import Sender as Carrier

Sender = Annotated[
    str, Meta(pattern=r"^(\+[1-9][0-9]{2,14}|[0-9]{3,8}|[A-Za-z0-9][A-Za-z0-9 &._-]{0,10})$")
]
"""A number, a short code, or up to 11 characters that phones show instead of one."""
Prefix = Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{0,14}$")]

SEGMENTS: Final = Meta(
    ge=1,
    le=40,
    description="Most parts of one message, each of which is paid for; a longer one is refused as"
    " too large.",
)
"""What says how many parts a text may have."""

STOP_WORDS: Final = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
)
START_WORDS: Final = frozenset({"START", "YES", "UNSTOP"})
_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}\Z", re.ASCII)
_LONGEST: Final = 16
_TOLL_FREE: Final = frozenset({"800", "833", "844", "855", "866", "877", "888"})
_TOLL_FREE_RATE: Final = 3.0
_LONG_NUMBER_RATE: Final = 1.0


class PhoneSettings(ProviderSettings, frozen=True, kw_only=True):
    """Senders, by where a message goes."""

    sender: Annotated[
        Sender | None,
        Meta(description="Who messages are from where `senders` says nothing else."),
    ] = None
    senders: Annotated[
        Mapping[Prefix, Sender],
        Meta(
            description="Who messages are from, by the beginning of the number they go to; the"
            ' longest that fits counts: `{ "+1" = "+15005550006", "+49" = "TOCSIN" }`.'
        ),
    ] = msgspec.field(default_factory=dict)

    sender_rates: Annotated[
        Mapping[Sender, float],
        Meta(
            description="Messages a second that a sender carries, where the vendor gave it another"
            " rate than its kind begins with. A text counts as many as it has parts."
        ),
    ] = msgspec.field(default_factory=dict)

    def sender_to(self, number: str) -> str | None:
        """Return who a message to *number* is from; None where nobody is."""
        for length in range(min(len(number), _LONGEST), 1, -1):
            found = self.senders.get(number[:length])
            if found is not None:
                return found
        return self.sender


def rated(sender: str | None, settings: PhoneSettings, by_kind: float | None) -> Carrier | None:
    """Return *sender* with its own rate, else *by_kind*; None where neither bounds it."""
    if sender is None:
        return None
    rate = settings.sender_rates.get(sender, by_kind)
    return None if rate is None else Carrier(sender, rate, max(1, int(rate)))


def american_rate(sender: str) -> float | None:
    """
    Return what a number of North America begins with, in messages a second; None for others.

    Its carriers bound each sender by itself: a long number, and a toll-free one.
    """
    if not sender.startswith("+1"):
        return None
    return _TOLL_FREE_RATE if sender[2:5] in _TOLL_FREE else _LONG_NUMBER_RATE


def check_senders(settings: PhoneSettings, name: str, instead: str | None = None) -> None:
    """Raise `Misconfigured` where nobody is named to send; *instead* is what else would do."""
    if settings.sender is None and not settings.senders and instead is None:
        raise Misconfigured([f"providers.{name}.sender is not set, nor are there any senders"])


def wish_of(text: str) -> bool | None:
    """
    Return what a reply asks for: False for nothing more, True for messages again, None for neither.

    A reply is a keyword only where it is nothing else, in letters of any case; asking for help is
    left to whoever answers people.
    """
    word = text.strip().upper()
    if word in STOP_WORDS:
        return False
    return True if word in START_WORDS else None


def message_id(text: str) -> str:
    """Return a vendor's id of a message as it may be kept; empty for what is none."""
    return text if _ID.match(text) else ""


def parts_of(message: Message) -> int:
    """Return of how many parts carriers see a text, which is how they count it."""
    return segments(message.content.fields["text"]).parts


def too_long(text: str, segments_max: int) -> Refused | None:
    """Return the refusal of a text that has too many parts."""
    count = segments(text).parts
    if count <= segments_max:
        return None
    return Refused(ProviderReason.TOO_LARGE, f"{count} parts, {segments_max} are allowed")
