"""Which answers about inboxes still hold: what ETags are made of."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from tocsin.app.feed_watch import FeedWatch
from tocsin.domain.records import Broadcast, Item, StateChange
from tocsin.ports.log import Batch

_BLOCK_SHIFT = 16


class InboxVersions:
    """
    A number for each recipient who polls, which ends with whatever changes her inbox.

    Numbers are never used again within a process, and *boot* tells processes apart; so an old tag
    can only fail to match. What ends one: a record that concerns her, a broadcast to her block,
    an item that expires, a batch that the feed lost, and being among those longest not seen when
    there are more than *held_max*.
    """

    def __init__(self, watch: FeedWatch, now_ms: Callable[[], int], boot: str, *, held_max: int):
        self._watch = watch
        self._now_ms = now_ms
        self._boot = boot
        self._held_max = held_max
        self._held: OrderedDict[int, tuple[int, int | None]] = OrderedDict()
        self._blocks: dict[int, int] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._held)

    def receive(self, batches: Sequence[Batch]) -> None:
        """End the versions of those whom *batches* concern; subscribed to the feed."""
        if not self._held:
            self._watch.forget()
            return
        for batch in batches:
            if not self._watch.take(batch):
                self._held.clear()
            for record in batch.records:
                if isinstance(record, Item | StateChange):
                    self._held.pop(record.recipient, None)
                elif isinstance(record, Broadcast):
                    self._last += 1
                    self._blocks[record.block] = self._last

    def begin(self, number: int) -> int:
        """Return the version that holds now. Ask before reading what it shall stand for."""
        version = self._live(number)
        if version is None:
            self._watch.watch(number)
            self._last += 1
            version = self._last
            self._held[number] = (version, None)
            if len(self._held) > self._held_max:
                self._held.popitem(last=False)
        return version

    def tag(self, version: int, what: str) -> str:
        """Return the ETag for the answer to *what*, read under *version*."""
        return f'"{self._boot}.{version:x}.{what}"'

    def holds_until(self, number: int, version: int, until_ms: int | None) -> None:
        """Note that what was read under *version* changes by itself at *until_ms*."""
        held = self._held.get(number)
        if held is None or held[0] != version or until_ms is None:
            return
        before = held[1]
        self._held[number] = (version, until_ms if before is None else min(before, until_ms))

    def current(self, number: int, what: str) -> str | None:
        """Return the ETag of what would be answered now, if that is known. Reads memory only."""
        version = self._live(number)
        return None if version is None else self.tag(version, what)

    def _live(self, number: int) -> int | None:
        held = self._held.get(number)
        if held is None:
            return None
        if not self._watch.whole(number):
            # The feed lost something, and whom that concerned is not known.
            self._watch.behind()
            self._held.clear()
            return None
        version, until_ms = held
        late = until_ms is not None and until_ms <= self._now_ms()
        if late or self._blocks.get(number >> _BLOCK_SHIFT, 0) > version:
            del self._held[number]
            return None
        self._held.move_to_end(number)
        return version
