"""What a person has done with an item, and the counts that follow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import msgspec

StateName = Literal["seen", "read", "unread", "archive", "unarchive", "acknowledge", "received"]

ALL_STATE_NAMES: Final = frozenset({"seen", "read", "archive"})
"""The states that ``POST /v1/inbox/{state}-all`` takes."""

COUNT_MAX: Final = 100
"""Counts stop here and say that there are more."""


class ItemState(msgspec.Struct, frozen=True, array_like=True):
    """Times, in ms, at which a person first did something with an item; None for never."""

    seen_ms: int | None = None
    read_ms: int | None = None
    archived_ms: int | None = None
    acknowledged_ms: int | None = None
    received_ms: int | None = None

    @property
    def delivered(self) -> bool:
        """Whether a client said that it has the item, or the person saw it."""
        return not (self.received_ms is None and self.seen_ms is None and self.read_ms is None)


UNTOUCHED: Final = ItemState()


def changed(state: ItemState, change: StateName | str, at_ms: int) -> ItemState:
    """
    Return *state* after *change*. Doing the same again keeps the first time.

    Who reads or acknowledges has seen; unread takes back read and leaves seen.
    """
    seen, read = state.seen_ms, state.read_ms
    archived, acknowledged, received = state.archived_ms, state.acknowledged_ms, state.received_ms
    match change:
        case "seen":
            seen = _first(seen, at_ms)
        case "read":
            seen, read = _first(seen, at_ms), _first(read, at_ms)
        case "unread":
            read = None
        case "archive":
            archived = _first(archived, at_ms)
        case "unarchive":
            archived = None
        case "acknowledge":
            seen, read = _first(seen, at_ms), _first(read, at_ms)
            acknowledged = _first(acknowledged, at_ms)
        case "received":
            received = _first(received, at_ms)
        case _:
            raise ValueError(f"no state of an inbox item: {change}")
    return ItemState(seen, read, archived, acknowledged, received)


def _first(before: int | None, at_ms: int) -> int:
    return at_ms if before is None else before


class Counts(NamedTuple):
    """Items that are neither archived nor expired, up to `COUNT_MAX` of each kind."""

    unseen: int
    unread: int
    more: bool
    next_expiry_ms: int | None = None
    """When the first of the counted items expires: the counts hold until then."""


def count(items: Iterable[tuple[int | None, ItemState]], now_ms: int) -> Counts:
    """
    Count (expires ms, state) pairs. Stops reading *items* once both counts are at the maximum.

    >>> count([(None, ItemState()), (None, ItemState(seen_ms=1)), (5, ItemState())], now_ms=9)
    Counts(unseen=1, unread=2, more=False, next_expiry_ms=None)
    """
    unseen = unread = 0
    next_expiry_ms: int | None = None
    for expires_ms, state in items:
        if state.archived_ms is not None or (expires_ms is not None and expires_ms <= now_ms):
            continue
        if expires_ms is not None and (next_expiry_ms is None or expires_ms < next_expiry_ms):
            next_expiry_ms = expires_ms
        unseen += state.seen_ms is None
        unread += state.read_ms is None
        if unseen > COUNT_MAX and unread > COUNT_MAX:
            break
    more = unseen > COUNT_MAX or unread > COUNT_MAX
    return Counts(min(unseen, COUNT_MAX), min(unread, COUNT_MAX), more, next_expiry_ms)


def one_more(counts: Counts, expires_ms: int | None = None) -> Counts:
    """Return *counts* after a new item; at the maximum it only says that there are more."""
    unseen, unread, more, next_expiry_ms = counts
    if expires_ms is not None and (next_expiry_ms is None or expires_ms < next_expiry_ms):
        next_expiry_ms = expires_ms
    return Counts(
        min(unseen + 1, COUNT_MAX),
        min(unread + 1, COUNT_MAX),
        more or COUNT_MAX in (unseen, unread),
        next_expiry_ms,
    )
