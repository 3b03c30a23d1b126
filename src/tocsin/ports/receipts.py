"""What a provider, or a person at the other end, says later: callbacks and what they hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec


class ReceiptState(StrEnum):
    """What a receipt can say."""

    DELIVERED = "delivered"
    FAILED = "failed"
    OPENED = "opened"
    CLICKED = "clicked"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    ACKNOWLEDGED = "acknowledged"
    UNANSWERED = "unanswered"
    """
    It rang, and nobody took it. Fails what has no attempt left; else only says why there is another
    (`tocsin.ports.outcomes.Accepted.ringing_ms`).
    """


class Receipt(msgspec.Struct, frozen=True, array_like=True):
    """
    What a provider said later, read from a callback.

    ``reference`` is ours: where a vendor only names its own id, the folder sees to it that ours
    comes back (metadata, a tag, the callback's URL).
    """

    reference: str
    state: ReceiptState
    reason: str
    at_ms: int
    dead_address: bool = False
    detail: str = ""
    attempt: int = 0
    """Which attempt it is about (`Message.attempt`); 0 where nobody can say."""


@dataclass(frozen=True, slots=True)
class Callback:
    """An HTTP request that claims to come from a provider; names of headers in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    received_ms: int

    def __repr__(self) -> str:
        return f"Callback({self.method} {self.path}, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True)
class ChannelWish:
    """
    What somebody said on the channel itself: nothing more to this address, or again.

    ``at_ms`` is when, as near as the vendor says it. ``detail`` is the word that was recognised, or
    the vendor's name for it. ``message_id`` is the vendor's id of the message that says so, where
    it has one that names nobody: vendors tell the same thing twice.
    """

    address: str
    wanted: bool
    at_ms: int
    detail: str = ""
    message_id: str = ""

    def __repr__(self) -> str:
        return f"ChannelWish(wanted={self.wanted})"


@dataclass(frozen=True, slots=True)
class Response:
    """What the vendor is answered, once all that was read is durable."""

    status: int = 204
    content_type: str = ""
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"


DONE = Response()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a callback says; nothing at all is a reading, too."""

    receipts: Sequence[Receipt] = ()
    wishes: Sequence[ChannelWish] = ()
    response: Response = DONE
    afterwards: Callable[[], Awaitable[None]] | None = None
    """
    What to do once all that was read is durable and before the vendor is answered: a message that
    shows what somebody pressed. Takes a second or two at the most, and may come to nothing.
    """
