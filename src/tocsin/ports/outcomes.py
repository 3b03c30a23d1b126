"""What a provider says of a message that it was given."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ProviderReason(StrEnum):
    """Why a provider did not accept, in a closed list."""

    BAD_ADDRESS = "bad_address"
    """Nothing that it could send to; another message to it would fare the same."""
    DEAD_ADDRESS = "dead_address"
    """Nobody is there any more: the address leaves the registry."""
    BLOCKED = "blocked"
    """This recipient does not want it, or the vendor does not let it through."""
    BAD_CONTENT = "bad_content"
    TOO_LARGE = "too_large"
    OUR_FAULT = "our_fault"
    """Credentials, configuration or billing: every message would fare the same."""
    UNANSWERED = "unanswered"
    """The phone rang, or was busy, and nobody took the call."""
    THROTTLED = "throttled"
    OVERLOADED = "overloaded"
    """The vendor failed (5xx)."""
    UNREACHABLE = "unreachable"
    """No connection came about, so nothing was sent."""
    TIMED_OUT = "timed_out"
    """The connection broke, or no answer came in time, after something was sent."""


class Accepted(msgspec.Struct, frozen=True):
    """
    The provider took the message; ``provider_id`` is its own name for it.

    ``rest_ms`` is how long it wants no other call of ours, where its answer says that a quota is
    used up. ``ringing_ms`` is how long a receipt may take to say that somebody took it: until then
    it is not sent, but waits, and if there is none another attempt is made as long as there is
    one left. Only for providers whose callbacks arrive, and of which a repeat does no harm.
    """

    provider_id: str | None = None
    rest_ms: int | None = None
    ringing_ms: int | None = None


class TryLater(msgspec.Struct, frozen=True):
    """
    Not accepted, or not known to be: another attempt may succeed.

    ``known`` is False when the message may have been accepted all the same: the answer was lost.
    ``after_ms`` is what the provider asked for, if it did. ``detail`` is kept in the ledger: the
    vendor's code or words, never an address, content or credential. ``address_only`` says that a
    throttled vendor wants less for this address, and goes on with others.
    """

    reason: ProviderReason
    known: bool = True
    after_ms: int | None = None
    detail: str = ""
    address_only: bool = False


class Refused(msgspec.Struct, frozen=True):
    """
    Known not to be accepted, and the same message never will be. ``detail`` as above.

    ``opted_out`` says that the person has told the vendor that she wants nothing more at this
    address: that holds here like her own STOP, whichever provider would carry the next message.
    """

    reason: ProviderReason
    detail: str = ""
    opted_out: bool = False


ProviderOutcome = Accepted | TryLater | Refused
