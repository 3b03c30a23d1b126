"""A person's inbox: reading it, changing states, and following it live."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from tocsin.app.broadcasts import BroadcastTexts
from tocsin.app.inbox_changes import ChangeWriter
from tocsin.domain.cursor import read_cursor, show_cursor
from tocsin.domain.ids import NotificationKey, delivery_key, notification_of
from tocsin.domain.inbox import Counts, ItemState
from tocsin.domain.instants import show_instant
from tocsin.domain.lanes import LANES
from tocsin.domain.records import Broadcast, StateChange
from tocsin.domain.topics import STREAMS
from tocsin.errors import NotFound, RequestRefused
from tocsin.ports.log import Follow, Log
from tocsin.ports.system import Clock
from tocsin.ports.views import InboxView, Missed, StoredItem

PAGE_MAX: Final = 100
IDS_MAX: Final = 1_000
MISSED_MAX: Final = 300
LOOKED_AT_MAX: Final = 1_000
"""So many items one page looks at, however few of them its filter shows."""

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
    """
    One page of items, as JSON texts.

    With a filter a page may be shorter than was asked for, even empty, and yet have a ``next``.
    ``until_ms`` is when it changes by itself, because something of it expires.
    """

    items: list[bytes]
    counts: Counts
    cursor: str
    next: str | None
    until_ms: int | None


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
        self._writer = ChangeWriter(log, view, follow)

    def places(self, number: int) -> tuple[tuple[str, int], ...]:
        """Return (topic, partition) of each of the person's streams."""
        return tuple((topic, self._log.partition_of(topic, number)) for topic in STREAMS)

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
        """
        Return up to *limit* items that *wanted* shows, newest first, after a page's ``next``.

        The cursor is from before the reading: what comes after it may be on the page already.
        """
        vector = self._view.ends(reader.number)
        counts = await self.counts(reader.number)
        found, following = await self._look(reader.number, wanted, _place(after), limit)
        texts = await self._page_texts(found[:limit], reader)
        ends = [each.expires_ms for each in found if each.expires_ms is not None]
        if counts.next_expiry_ms is not None:
            ends.append(counts.next_expiry_ms)
        until_ms = min(ends, default=None)
        return Page(texts, counts, self.cursor(vector), following, until_ms)

    async def _look(
        self, number: int, wanted: Filter, before: bytes | None, limit: int
    ) -> tuple[list[StoredItem], str | None]:
        """Return up to *limit* + 1 items, and where to go on when there may be more."""
        now_ms = self._clock.now_ms()
        ahead = limit + 1 if wanted == Filter() else max(_READ_AHEAD, limit + 1)
        found: list[StoredItem] = []
        looked_at = 0
        while looked_at < LOOKED_AT_MAX:
            items = await self._view.items(number, before=before, limit=ahead)
            found += [each for each in items if _alive(each, now_ms) and wanted.shows(each)]
            if len(found) > limit:
                return found[: limit + 1], found[limit - 1].place.hex()
            if len(items) < ahead:
                return found, None
            looked_at += len(items)
            before = items[-1].place
        assert before is not None
        return found, before.hex()

    def vector(self, cursor: str) -> tuple[int, ...] | None:
        """Return what *cursor* stands for; None when that is not known any more."""
        return read_cursor(cursor, self._log.incarnation)

    async def missed(self, number: int, vector: Sequence[int]) -> Missed | None:
        """Return what came after *vector*; None when the client has to read the inbox again."""
        return await self._view.missed(number, vector, limit=MISSED_MAX)

    def alive(self, expires_ms: int | None) -> bool:
        """Return whether what expires then has not done so yet."""
        return expires_ms is None or expires_ms > self._clock.now_ms()

    async def text(self, item: StoredItem, reader: Reader) -> bytes:
        """Return an item as JSON, with the times of its state."""
        body = item.body
        if item.broadcast is not None:
            body = await self._texts.body(item.broadcast, reader.number)
        return with_state(body, item.state)

    async def _page_texts(self, items: Sequence[StoredItem], reader: Reader) -> list[bytes]:
        texts = []
        for each in items:
            # What a broadcast is made of may not be kept any more: the others are shown.
            with contextlib.suppress(NotFound):
                texts.append(await self.text(each, reader))
        return texts

    async def broadcast_text(self, broadcast: Broadcast, number: int) -> bytes:
        """Return the JSON of a broadcast's item for one reader."""
        return await self._texts.body(broadcast, number)

    async def change(self, reader: Reader, state: str, keys: Sequence[bytes]) -> list[bytes]:
        """
        Change the state of items; return the keys of those that exist. Durable on return.

        One record for all of them. Doing the same again changes nothing that is seen. Whoever reads
        after the return sees the change.
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
        await self._writer.write(
            StateChange(
                recipient=reader.number,
                recipient_id=reader.id,
                state=state,
                keys=tuple(each.key for each in items),
                at_ms=self._clock.now_ms(),
                places=tuple(each.place for each in items),
                delivered=tuple(delivered),
            )
        )
        return [each.key for each in items]

    async def change_all(self, reader: Reader, state: str, cursor: str | None = None) -> None:
        """
        Change the state of everything below *cursor*, or of what is visible now.

        What becomes visible meanwhile stays as it is. Durable on return.
        """
        until = ends = self._view.ends(reader.number)
        if cursor is not None:
            given = self.vector(cursor)
            if given is None:
                raise RequestRefused(
                    "cursor must be one that this server gave out", code="invalid_cursor"
                )
            until = given
        await self._writer.write(
            StateChange(
                recipient=reader.number,
                recipient_id=reader.id,
                state=state,
                keys=(),
                at_ms=self._clock.now_ms(),
                until=tuple(map(min, until, ends)),
            )
        )

    async def note(self, reader: Reader, delivery: bytes, change: str) -> None:
        """Change the item that *delivery* brought; raises `NotFound`."""
        key = notification_of(delivery)
        items = await self._view.by_key(reader.number, [key])
        if not any(delivery_key(key, each.step, 0) == delivery for each in items):
            raise NotFound("there is no such delivery")
        await self.change(reader, change, [key])


def counts_json(counts: Counts) -> str:
    """Return the counts as clients get them."""
    more = ',"more":true' if counts.more else ""
    return f'{{"unseen":{counts.unseen},"unread":{counts.unread}{more}}}'


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
    more = "".join(f',"{name}":"{show_instant(at)}"' for name, at in times if at is not None)
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
