"""
The states of a delivery and the moves between them.

``sent`` settles a delivery; a receipt may still refine it. ``delivered`` may turn into ``failed``
because some providers report a bounce after they reported a delivery.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """How a delivery stands."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    SUPPRESSED = "suppressed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class DeliveryReason(StrEnum):
    """
    Why a delivery stands as it does, where neither decide nor a provider said so.

    Together with `tocsin.domain.reasons.Reason` and the providers' reasons the closed list of what
    the ledger holds.
    """

    ACCEPTED = "accepted"
    OUTCOME_UNKNOWN = "outcome_unknown"
    """A call was made, and whether it was taken is not known."""
    BEHIND_ANOTHER = "behind_another"
    """It waits behind an earlier message to the same address, which is to be tried again."""
    PROVIDER_OPEN = "provider_open"
    """The only provider that can carry it fails and is left alone for a while."""
    PROVIDER_BUSY = "provider_busy"
    """The only provider that can carry it has as much as it may be given, and others go on."""
    EVENT_GONE = "event_gone"
    """The event that it is about is not kept any more."""
    RINGING = "ringing"
    """A call is being made: unless somebody takes it, it is made again."""
    NOT_PREPARED = "not_prepared"
    """Making its message failed in a way that nobody foresaw."""


_ENDED_UNSENT: Final = (State.SUPPRESSED, State.EXPIRED, State.CANCELLED)

MOVES: Final[dict[State, frozenset[State]]] = {
    State.PENDING: frozenset(
        # The inbox has no call, so no sending: what is stored is sent.
        {State.SENDING, State.SENT, State.DEFERRED, State.FAILED, *_ENDED_UNSENT}
    ),
    # To failed without another call: its event is gone, or a call before may have been taken.
    State.DEFERRED: frozenset({State.PENDING, State.SENDING, State.FAILED, *_ENDED_UNSENT}),
    State.SENDING: frozenset(
        # Back to pending or deferred: known not to be accepted, and tried again.
        {State.PENDING, State.DEFERRED, State.SENT, State.DELIVERED, State.FAILED, State.EXPIRED}
    ),
    State.SENT: frozenset({State.DELIVERED, State.FAILED}),
    State.DELIVERED: frozenset({State.FAILED}),
    State.SUPPRESSED: frozenset(),
    State.FAILED: frozenset(),
    State.EXPIRED: frozenset(),
    State.CANCELLED: frozenset(),
}
"""Every allowed move. A replay is a new delivery, so nothing leads out of a failed one."""

EDITED: Final = "in place of an earlier one"
"""What an outcome's detail says of a message that an earlier one was edited to."""

OPEN: Final = frozenset({State.PENDING, State.SENDING, State.DEFERRED})
"""States that the audit counts as pending."""


def allowed(before: State, after: State) -> bool:
    """Return whether a delivery may move from *before* to *after*."""
    return after in MOVES[before]


def settled(state: State) -> bool:
    """Return whether *state* counts as an outcome in the audit."""
    return state not in OPEN


def mermaid() -> str:
    """Return the diagram of the table, for the documentation."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.PENDING}"]
    lines += [f"    {a} --> {b}" for a in State for b in State if allowed(a, b)]
    lines += [f"    {state} --> [*]" for state in State if settled(state)]
    return "\n".join(lines) + "\n"
