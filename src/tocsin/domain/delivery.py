"""The states of a delivery and the moves between them."""

from __future__ import annotations

from enum import StrEnum


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


def allowed(before: State, after: State) -> bool:
    """Return whether a delivery may move from *before* to *after*."""
    raise NotImplementedError


def settled(state: State) -> bool:
    """Return whether *state* counts as an outcome in the audit."""
    raise NotImplementedError


def mermaid() -> str:
    """Return the diagram of the table, for the documentation."""
    raise NotImplementedError
