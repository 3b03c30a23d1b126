"""How long what is kept, and from when it counts: never by ids, always by what settled when."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.domain.lanes import LANES
from tocsin.domain.topics import BROADCASTS

_ITEMS: Final = frozenset(f"inbox.{lane}" for lane in LANES)


class Keep(msgspec.Struct, frozen=True):
    """The times to keep, in ms."""

    inbox_ms: int
    ledger_ms: int
    log_ms: int

    @property
    def history_ms(self) -> int:
        """How long history is kept: an inbox shows nothing that could not be explained."""
        return max(self.inbox_ms, self.ledger_ms, self.log_ms)


class Cut(msgspec.Struct, frozen=True):
    """
    What may go now, in ms.

    Everything about events that were accepted before ``history_ms`` has settled, and long enough
    ago. Inbox items that became visible before ``inbox_ms`` are not shown any more. ``log_ms`` is
    for records that only readers need; none of them is about anything open.
    """

    now_ms: int
    history_ms: int
    inbox_ms: int
    log_ms: int


def cut_at(now_ms: int, keep: Keep, open_ms: int, settled_ms: int) -> Cut:
    """
    Return what may go at *now_ms*.

    *open_ms* is when the oldest event was accepted that something open needs; *settled_ms* the same
    for what settled later than its time to keep ago. Both are *now_ms* or later when there is none.
    """
    return Cut(
        now_ms,
        min(now_ms - keep.history_ms, open_ms, settled_ms),
        now_ms - keep.inbox_ms,
        min(now_ms - keep.log_ms, open_ms),
    )


def removable_before(topic: str, cut: Cut, *, holds_bodies: bool) -> int:
    """
    Return the time before which records of *topic* may go, in ms.

    With *holds_bodies* the items' texts lie in the log alone, and are the inbox.
    """
    if topic.startswith(("events.", "plans.")) or topic == BROADCASTS:
        return cut.history_ms
    if holds_bodies and topic in _ITEMS:
        return cut.inbox_ms
    return cut.log_ms


def reader_counts(group: str, topic: str, *, drained: bool) -> bool:
    """
    Return whether *topic* must be kept for *group*.

    A lane of a channel remembers what it tried from ``outcomes``: only while it has hand-offs that
    it has not finished. Without those it would hold the log forever, since it commits no more.
    """
    return group == topic or not group.startswith("deliver.") or not drained
