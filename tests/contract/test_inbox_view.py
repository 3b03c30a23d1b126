"""What `tocsin.ports.views.InboxView` promises, against a dictionary that forgets nothing."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from tests.contract.view_records import BEGIN_MS, broadcast, change, item, sweep
from tests.contract.view_stores import KEEP_MS, LAYOUTS, ViewStores
from tocsin.domain.ids import EventKey, notification_key
from tocsin.domain.inbox import UNTOUCHED, ItemState, StateName, changed, count
from tocsin.domain.reasons import Reason
from tocsin.domain.records import Broadcast, Item, StateChange
from tocsin.ports.log import Batch, Output
from tocsin.ports.views import StoredItem

RECIPIENTS = (1, 2, 65_537)
STREAMS = {
    "inbox.critical": 0,
    "inbox.transactional": 1,
    "inbox.bulk": 2,
    "inbox.states": 3,
    "inbox.broadcasts": 4,
}


@dataclass
class Kept:
    """One item as somebody with a very good memory would keep it."""

    key: bytes
    visible_ms: int
    stream: int
    partition: int
    position: int
    expires_ms: int | None
    state: ItemState = UNTOUCHED

    def ends_ms(self) -> int:
        kept_ms = self.visible_ms + KEEP_MS
        return kept_ms if self.expires_ms is None else min(self.expires_ms, kept_ms)

    def order(self) -> tuple[int, int, int, int]:
        return self.visible_ms, self.stream, self.partition, self.position


@dataclass
class Model:
    """Every recipient's inbox, changed record by record."""

    items: dict[int, dict[bytes, Kept]] = field(
        default_factory=lambda: {each: {} for each in RECIPIENTS}
    )
    changes: dict[int, list[tuple[int, StateChange]]] = field(
        default_factory=lambda: {each: [] for each in RECIPIENTS}
    )

    def take(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            stream = STREAMS[batch.topic]
            for position, record in enumerate(batch.records, batch.position):
                place = (stream, batch.partition, position)
                if isinstance(record, Item):
                    self._item(record.recipient, record.key, record, place)
                elif isinstance(record, Broadcast):
                    for number in BitMap.deserialize(record.by_reason[Reason.SEND]):
                        key = notification_key(EventKey(record.event), record.index, number)
                        self._item(number, key, record, place)
                elif isinstance(record, StateChange):
                    self._change(position, record)

    def _item(
        self, number: int, key: bytes, record: Item | Broadcast, place: tuple[int, int, int]
    ) -> None:
        kept = Kept(key, record.visible_ms, *place, record.expires_ms)
        self.items[number][key] = kept

    def _change(self, position: int, record: StateChange) -> None:
        self.changes[record.recipient].append((position, record))
        for kept in self.items[record.recipient].values():
            below = not record.keys and kept.position < record.until[kept.stream]
            if below or kept.key in record.keys:
                kept.state = changed(kept.state, record.state, record.at_ms)

    def newest(self, number: int) -> list[Kept]:
        return sorted(self.items[number].values(), key=Kept.order, reverse=True)


# ---------------------------------------------------------------- what happens, as data

Items = tuple[str, list[tuple[int, int, int | None]]]
Action = tuple[str, object]

_offsets = st.integers(0, 5)
_expiries = st.none() | st.integers(1, 12)
_people = st.sampled_from(RECIPIENTS)
_states = st.sampled_from(("seen", "read", "unread", "archive", "unarchive", "acknowledge"))
_actions: st.SearchStrategy[Action] = st.one_of(
    st.tuples(
        st.just("items"),
        st.tuples(
            st.sampled_from(("critical", "transactional", "bulk")),
            st.lists(st.tuples(_people, _offsets, _expiries), min_size=1, max_size=6),
        ),
    ),
    st.tuples(
        st.just("broadcast"),
        st.tuples(st.sampled_from(((1,), (1, 2), (65_537,))), _offsets, _expiries),
    ),
    st.tuples(st.just("change"), st.tuples(_people, _states, st.sets(st.integers(0, 9)))),
    st.tuples(
        st.just("sweep"),
        st.tuples(_people, st.sampled_from(("seen", "read", "archive")), st.booleans()),
    ),
    st.tuples(st.sampled_from(("again", "merge", "reopen", "look")), st.none()),
)


class Story:
    """Lets things happen to the view and to the model, and compares."""

    def __init__(self, stores: ViewStores) -> None:
        self.stores = stores
        self.model = Model()
        self.now_ms = BEGIN_MS
        self._numbers = 0
        self._last: Sequence[Batch] = ()
        self._vectors = {each: stores.inbox.ends(each) for each in RECIPIENTS}

    async def act(self, action: Action) -> None:
        self.now_ms += 1
        name, what = action
        match name:
            case "items":
                await self._items(cast(Items, what))
            case "broadcast":
                await self._broadcast(cast(tuple[tuple[int, ...], int, int | None], what))
            case "change":
                await self._change(cast(tuple[int, StateName, set[int]], what))
            case "sweep":
                await self._sweep(cast(tuple[int, StateName, bool], what))
            case "again":
                await self.stores.again(self._last)
            case "merge":
                await self.stores.merge()
            case "reopen":
                await self.stores.reopen()
            case _:
                await self.compare()

    async def _items(self, what: Items) -> None:
        lane, made = what
        by_partition: dict[int, list[Item]] = {}
        for recipient, offset, expires in made:
            self._numbers += 1
            expires_ms = None if expires is None else self.now_ms + expires
            record = item(recipient, self._numbers, self.now_ms - offset, expires_ms)
            partition = self.stores.log.partition_of(f"inbox.{lane}", recipient)
            by_partition.setdefault(partition, []).append(record)
        await self._put(*(Output(f"inbox.{lane}", p, some) for p, some in by_partition.items()))

    async def _broadcast(self, what: tuple[tuple[int, ...], int, int | None]) -> None:
        receivers, offset, expires = what
        self._numbers += 1
        expires_ms = None if expires is None else self.now_ms + expires
        record = broadcast(receivers, self._numbers, self.now_ms - offset, expires_ms)
        await self._put(Output("inbox.broadcasts", 0, [record]))

    async def _change(self, what: tuple[int, StateName, set[int]]) -> None:
        number, state, indexes = what
        listed = await self.stores.inbox.items(number, before=None, limit=10)
        chosen = [each for index, each in enumerate(listed) if index in indexes]
        if chosen:
            await self._state(number, change(number, state, chosen, self.now_ms))

    async def _sweep(self, what: tuple[int, StateName, bool]) -> None:
        number, state, early = what
        now = self.stores.inbox.ends(number)
        until = self._vectors[number] if early else now
        self._vectors[number] = now
        await self._state(number, sweep(number, state, until, self.now_ms))

    async def _state(self, number: int, record: StateChange) -> None:
        partition = self.stores.log.partition_of("inbox.states", number)
        await self._put(Output("inbox.states", partition, [record]))

    async def _put(self, *outputs: Output) -> None:
        self._last = await self.stores.put(*outputs)
        self.model.take(self._last)

    async def compare(self) -> None:
        for number in RECIPIENTS:
            await self._compare_pages(number)
            await self._compare_counts(number)
            await self._compare_missed(number)
        await self._compare_unseen()

    async def _compare_unseen(self) -> None:
        view = self.stores.inbox
        counts = {number: await view.counts(number, self.now_ms) for number in RECIPIENTS}
        expected = {number: each.unseen for number, each in counts.items() if each.unseen}
        assert await view.unseen(list(RECIPIENTS), self.now_ms) == expected

    async def _compare_pages(self, number: int) -> None:
        expected = self.model.newest(number)
        found: list[StoredItem] = []
        before = None
        while page := await self.stores.inbox.items(number, before=before, limit=3):
            found += page
            before = page[-1].place
        assert [(each.key, each.state) for each in found] == [(k.key, k.state) for k in expected]
        named = await self.stores.inbox.by_key(number, [each.key for each in found[::2]])
        assert {each.key for each in named} == {each.key for each in found[::2]}
        for each in named:
            assert each.state == self.model.items[number][each.key].state

    async def _compare_counts(self, number: int) -> None:
        kept = self.model.newest(number)
        expected = count([(each.ends_ms(), each.state) for each in kept], self.now_ms)
        assert await self.stores.inbox.counts(number, self.now_ms) == expected

    async def _compare_missed(self, number: int) -> None:
        vector = self._vectors[number]
        missed = await self.stores.inbox.missed(number, vector, limit=1_000)
        assert missed is not None
        newer = {k.key for k in self.model.newest(number) if k.position >= vector[k.stream]}
        assert {each.key for each in missed.items} == newer
        assert len(missed.items) == len(newer)
        changes = [(p, c) for p, c in self.model.changes[number] if p >= vector[3]]
        assert list(missed.changes) == changes
        size = len(newer) + len(changes)
        if size:
            assert await self.stores.inbox.missed(number, vector, limit=size - 1) is None


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(actions=st.lists(_actions, min_size=1, max_size=25))
def test_the_view_is_what_follows_from_the_records(layout: str, actions: list[Action]) -> None:
    async def story() -> None:
        with tempfile.TemporaryDirectory() as folder:
            stores = ViewStores(Path(folder), layout)
            await stores.open()
            try:
                told = Story(stores)
                for action in actions:
                    await told.act(action)
                await told.compare()
                await stores.reopen()
                await told.compare()
            finally:
                stores.close()

    asyncio.run(story())


# ---------------------------------------------------------------- single promises


@pytest.fixture(params=LAYOUTS)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ViewStores]:
    """Empty log and views."""
    made = ViewStores(tmp_path, cast(str, request.param))
    await made.open()
    yield made
    made.close()


async def test_an_item_is_shown_from_applied_on_and_not_before(stores: ViewStores) -> None:
    record = item(1, 1, BEGIN_MS)
    batch = Batch("inbox.bulk", 1, 0, [record])
    before = stores.inbox.ends(1)
    prepared = stores.inbox.prepare([batch])

    assert not await stores.inbox.items(1, before=None, limit=10)
    assert (await stores.inbox.counts(1, BEGIN_MS)).unread == 0
    assert stores.inbox.ends(1) == before
    prepared.undo()


async def test_what_is_not_shown_yet_does_not_shorten_a_page(stores: ViewStores) -> None:
    shown = [item(1, number, BEGIN_MS + number) for number in range(5)]
    await stores.put(Output("inbox.bulk", 1, shown))
    coming = [item(1, 10 + number, BEGIN_MS + 100 + number) for number in range(7)]
    prepared = stores.inbox.prepare([Batch("inbox.bulk", 1, 5, coming)])

    page = await stores.inbox.items(1, before=None, limit=3)

    assert [each.key for each in page] == [each.key for each in reversed(shown[2:])]
    prepared.undo()


async def test_a_write_that_is_undone_leaves_nothing(stores: ViewStores) -> None:
    stores.inbox.prepare([Batch("inbox.bulk", 1, 0, [item(1, 1, BEGIN_MS)])]).undo()
    kept = item(1, 2, BEGIN_MS)
    await stores.put(Output("inbox.bulk", 1, [kept]))

    assert [each.key for each in await stores.inbox.items(1, before=None, limit=9)] == [kept.key]


async def test_a_late_item_with_an_early_time_is_missed_like_any_other(stores: ViewStores) -> None:
    newer = [item(1, number, BEGIN_MS + 1_000 + number) for number in range(12)]
    await stores.put(Output("inbox.bulk", 1, newer))
    vector = stores.inbox.ends(1)
    late = item(1, 99, BEGIN_MS)
    await stores.put(Output("inbox.bulk", 1, [late]))

    missed = await stores.inbox.missed(1, vector, limit=5)

    assert missed is not None
    assert [each.key for each in missed.items] == [late.key]


@pytest.mark.parametrize("vector", [(0, 0, 0, 0), (0, 0, 9, 0, 0), ()])
async def test_a_vector_from_elsewhere_is_not_known(
    stores: ViewStores, vector: tuple[int, ...]
) -> None:
    assert await stores.inbox.missed(1, vector, limit=5) is None


async def test_reached_waits_for_the_view(stores: ViewStores) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(stores.inbox.reached({("inbox.bulk", 1): 2}))
        await stores.put(Output("inbox.bulk", 1, [item(1, 1, BEGIN_MS)]))
        await asyncio.sleep(0)
        assert not waiting.done()

        await stores.put(Output("inbox.bulk", 1, [item(1, 2, BEGIN_MS)]))

    await stores.inbox.reached({("inbox.bulk", 1): 1})


async def test_a_broadcast_read_beside_its_own_arrival_is_not_forgotten(
    stores: ViewStores,
) -> None:
    """Whoever fills the memory of a block from an older snapshot must not hide the newer chunk."""
    for number in range(20):
        expected = number + 1
        async with asyncio.TaskGroup() as group:
            for _ in range(6):
                group.create_task(stores.inbox.counts(1, BEGIN_MS))
            await stores.put(Output("inbox.broadcasts", 0, [broadcast((1,), number, BEGIN_MS)]))
            for _ in range(6):
                group.create_task(stores.inbox.counts(1, BEGIN_MS))
        assert (await stores.inbox.counts(1, BEGIN_MS)).unread == expected


async def test_only_the_first_of_two_records_of_a_chunk_is_shown(stores: ViewStores) -> None:
    first = broadcast((1, 2), 1, BEGIN_MS)
    await stores.put(Output("inbox.broadcasts", 0, [first]))
    await stores.put(Output("inbox.broadcasts", 0, [first]))

    found = await stores.inbox.items(2, before=None, limit=9)

    assert [each.position for each in found] == [0]
