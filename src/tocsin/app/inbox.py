"""A person's inbox: reading it, changing states, and following it live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from tocsin.app.broadcasts import BroadcastTexts
from tocsin.domain.cursor import read_cursor, show_cursor
from tocsin.domain.ids import NotificationKey, delivery_key
from tocsin.domain.inbox import Counts, ItemState
from tocsin.domain.lanes import LANES
from tocsin.domain.records import Broadcast, StateChange
from tocsin.domain.times import show_time
from tocsin.errors import RequestRefused
from tocsin.ports.log import Follow, Log, Output, Step
from tocsin.ports.system import Clock
from tocsin.ports.views import InboxView, Missed, StoredItem

PAGE_MAX: Final = 100
IDS_MAX: Final = 1_000
MISSED_MAX: Final = 300
STATES_TOPIC: Final = "inbox.states"

_READ_AHEAD: Final = 200
_DELIVERING: Final = frozenset({"seen", "read", "acknowledge", "received"})


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which items a list shows."""

    status: str | None = None
    """unread | read | unseen | seen | archived; None: all that is not archived."""
    category: str | None = None

    def shows(self, item: StoredItem) -> bool:
        """Return whether *item* belongs to the list."""
        state = item.state
        if (state.archived_ms is not None) != (self.status == "archived"):
            return False
        if self.category is not None and item.category != self.category:
            return False
        match self.status:
            case "unread":
                return state.read_ms is None
            case "read":
                return state.read_ms is not None
            case "unseen":
                return state.seen_ms is None
            case "seen":
                return state.seen_ms is not None
            case _:
                return True


class Page(NamedTuple):
    """One page of items, as JSON texts."""

    items: list[bytes]
    counts: Counts
    cursor: str
    next: str | None


class Reader(NamedTuple):
    """Whose inbox it is."""

    number: int
    id: str


class InboxDesk:
    """What a recipient's client does with the inbox."""

    def __init__(
        self,
        log: Log,
        view: InboxView,
        texts: BroadcastTexts,
        clock: Clock,
        follow: Follow | None,
    ) -> None:
        self._log = log
        self._view = view
        self._texts = texts
        self._clock = clock
        self._follow = follow

    @property
    def incarnation(self) -> int:
        """What a cursor belongs to."""
        return self._log.incarnation

    def ends(self, number: int) -> tuple[int, ...]:
        """Return the positions after everything that the person can see now."""
        return self._view.ends(number)

    def cursor(self, vector: Sequence[int]) -> str:
        """Return the text of *vector*."""
        return show_cursor(self._log.incarnation, vector)

    async def counts(self, number: int) -> Counts:
        """Return the counts, from the stored states."""
        return await self._view.counts(number, self._clock.now_ms())

    async def page(self, reader: Reader, wanted: Filter, *, after: str | None, limit: int) -> Page:
        """Return up to *limit* items that *wanted* shows, newest first, after a page's ``next``."""
        vector = self._view.ends(reader.number)
        before = _place(after)
        now_ms = self._clock.now_ms()
        found: list[StoredItem] = []
        more = True
        while more and len(found) <= limit:
            ahead = max(_READ_AHEAD, limit + 1) if wanted != Filter() else limit + 1
            items = await self._view.items(reader.number, before=before, limit=ahead)
            more = len(items) == ahead
            found += [each for each in items if _alive(each, now_ms) and wanted.shows(each)]
            if items:
                before = items[-1].place
        kept = found[:limit]
        following = kept[-1].place.hex() if len(found) > limit else None
        texts = [await self.text(each, reader) for each in kept]
        return Page(texts, await self.counts(reader.number), self.cursor(vector), following)

    async def missed(self, number: int, cursor: str) -> Missed | None:
        """Return what came after *cursor*; None when the client has to read the inbox again."""
        vector = read_cursor(cursor, self._log.incarnation)
        if vector is None:
            return None
        return await self._view.missed(number, vector, limit=MISSED_MAX)

    async def text(self, item: StoredItem, reader: Reader) -> bytes:
        """Return an item as JSON, with the times of its state."""
        body = item.body
        if item.broadcast is not None:
            body = await self._texts.body(item.broadcast, reader.number)
        return with_state(body, item.state)

    async def broadcast_text(self, broadcast: Broadcast, number: int) -> bytes:
        """Return the JSON of a broadcast's item for one reader."""
        return await self._texts.body(broadcast, number)

    async def change(self, reader: Reader, state: str, keys: Sequence[bytes]) -> list[bytes]:
        """
        Change the state of items; return the keys of those that exist. Durable on return.

        One record for all of them. Doing the same again changes nothing that is seen.
        """
        if len(keys) > IDS_MAX:
            raise RequestRefused(f"at most {IDS_MAX} ids at once", code="too_many")
        items = await self._view.by_key(reader.number, keys)
        if not items:
            return []
        delivered = [
            (delivery_key(NotificationKey(each.key), each.step, 0), _lane(each))
            for each in items
            if state in _DELIVERING and not each.state.delivered
        ]
        change = StateChange(
            recipient=reader.number,
            recipient_id=reader.id,
            state=state,
            keys=tuple(each.key for each in items),
            at_ms=self._clock.now_ms(),
            visible=tuple(each.visible_ms for each in items),
            delivered=tuple(delivered),
        )
        await self._write(change)
        return [each.key for each in items]

    async def change_all(self, reader: Reader, state: str) -> None:
        """Change the state of everything that is visible by now. Durable on return."""
        now_ms = self._clock.now_ms()
        change = StateChange(
            recipient=reader.number,
            recipient_id=reader.id,
            state=state,
            keys=(),
            at_ms=now_ms,
            until_ms=now_ms,
        )
        await self._write(change)

    async def _write(self, change: StateChange) -> None:
        partition = self._log.partition_of(STATES_TOPIC, change.recipient)
        output = Output(STATES_TOPIC, partition, [change])
        if self._follow is None:
            await self._log.append([output])
        else:
            await self._log.commit(Step((), [output]), self._follow)


def with_state(body: bytes, state: ItemState) -> bytes:
    """Return an item's JSON text with the times at which something was done with it."""
    if not any(
        (state.seen_ms, state.read_ms, state.archived_ms, state.acknowledged_ms, state.received_ms)
    ):
        return body
    times = (
        ("seen_at", state.seen_ms),
        ("read_at", state.read_ms),
        ("archived_at", state.archived_ms),
        ("acknowledged_at", state.acknowledged_ms),
        ("received_at", state.received_ms),
    )
    more = "".join(f',"{name}":"{show_time(at)}"' for name, at in times if at is not None)
    return body[:-1] + more.encode() + b"}"


def _alive(item: StoredItem, now_ms: int) -> bool:
    return item.expires_ms is None or item.expires_ms > now_ms


def _lane(item: StoredItem) -> str:
    return item.broadcast.lane if item.broadcast is not None else LANES[item.stream]


def _place(after: str | None) -> bytes | None:
    if after is None:
        return None
    try:
        place = bytes.fromhex(after)
    except ValueError:
        place = b""
    if len(place) != 14:
        raise RequestRefused("page must be the `next` of an earlier answer", code="invalid_cursor")
    return place
