"""What `tocsin.ports.keeping` promises: the oldest goes first, slices are bounded, places stay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from tests.contract.state_stores import SqliteStores
from tests.contract.view_records import BEGIN_MS, item
from tests.contract.view_stores import LAYOUTS, ViewStores
from tocsin.adapters.sqlite.forgetting_state import forgets_state
from tocsin.adapters.sqlite.forgetting_views import ViewFile, forgets_views
from tocsin.adapters.sqlite.kept import SqliteKept
from tocsin.domain.keeping import Cut
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Attempt, Item, StateChange
from tocsin.ports.log import Output
from tocsin.ports.state import Claim, Fanout, Recipients, StoredAnswer, Timer, Tombstone

TOPIC = "inbox.bulk"
DAY_MS = 86_400_000
FAR = 1 << 40


@pytest.fixture(params=LAYOUTS)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ViewStores]:
    made = ViewStores(tmp_path, request.param, partitions=1)
    await made.open()
    yield made
    made.close()


async def _put(stores: ViewStores, number: int, visible_ms: int) -> None:
    await stores.log.append([Output(TOPIC, 0, [item(1, number, visible_ms)])])


async def _held(stores: ViewStores) -> list[int]:
    batch = await stores.log.read(TOPIC, 0, 0, records_max=100)
    return [batch.position + n for n in range(len(batch.records))]


async def test_only_what_is_old_enough_and_read_is_removable(stores: ViewStores) -> None:
    for number in range(4):
        await _put(stores, number, BEGIN_MS + number)
    keeping = stores.log.keeping
    find = keeping.removable
    assert await find(TOPIC, 0, before_ms=BEGIN_MS, below=FAR, bytes_max=FAR) is None
    assert await find(TOPIC, 0, before_ms=FAR * FAR, below=0, bytes_max=FAR) is None
    assert await find("inbox.none", 0, before_ms=FAR, below=FAR, bytes_max=FAR) is None
    found = await find(TOPIC, 0, before_ms=BEGIN_MS + 3, below=2, bytes_max=FAR)
    assert found is not None
    assert (found.end, found.records, found.until_ms) == (2, 2, BEGIN_MS + 1)
    one = await find(TOPIC, 0, before_ms=BEGIN_MS + 3, below=FAR, bytes_max=1)
    assert one is not None
    assert one.end == 1


async def test_a_batch_that_is_partly_young_stays_whole(stores: ViewStores) -> None:
    young = [item(1, number, BEGIN_MS + number) for number in range(3)]
    await stores.log.append([Output(TOPIC, 0, young)])
    assert (
        await stores.log.keeping.removable(
            TOPIC, 0, before_ms=BEGIN_MS + 2, below=FAR, bytes_max=FAR
        )
        is None
    )


async def test_what_is_removed_is_gone_and_positions_go_on(stores: ViewStores) -> None:
    for number in range(3):
        await _put(stores, number, BEGIN_MS + number)
    keeping = stores.log.keeping
    found = await keeping.removable(TOPIC, 0, before_ms=BEGIN_MS + 2, below=FAR, bytes_max=FAR)
    assert found is not None
    await keeping.remove(found)
    await keeping.remove(found)
    assert await _held(stores) == [2]
    assert await keeping.oldest_ms(TOPIC, 0) == BEGIN_MS + 2
    assert await stores.log.spans(TOPIC, 0, 0) == [(2, 3)]
    last = await keeping.removable(TOPIC, 0, before_ms=BEGIN_MS + 9, below=FAR, bytes_max=FAR)
    assert last is not None
    await keeping.remove(last)
    assert await keeping.oldest_ms(TOPIC, 0) is None
    await stores.reopen()
    assert stores.log.end(TOPIC, 0) == 3
    empty = await stores.log.read(TOPIC, 0, 0, records_max=10)
    assert (empty.position, len(empty.records)) == (3, 0)
    await _put(stores, 3, BEGIN_MS + 3)
    assert await _held(stores) == [3]
    # Who reads for the first time begins where the log does.
    assert await stores.log.acquire("new", TOPIC, 0) == (1, 3)


async def test_overwriting_leaves_nothing_behind(stores: ViewStores, tmp_path: Path) -> None:
    secret = b"canary-of-the-log"
    long = msgspec.structs.replace(item(1, 1, BEGIN_MS), body=secret * 3_000)
    others = [item(2, number, BEGIN_MS) for number in (2, 3)]
    await stores.log.append([Output(TOPIC, 0, [others[0], long, others[1]])])
    bare = msgspec.structs.replace(long, body=b"{}", recipient_id="")
    places = {(TOPIC, 0, 1): bare, (TOPIC, 0, 7): bare, ("inbox.none", 0, 0): bare}
    assert await stores.log.keeping.overwrite(places) == 1
    batch = await stores.log.read(TOPIC, 0, 0, records_max=10)
    assert list(batch.records) == [others[0], bare, others[1]]
    await stores.reopen()
    batch = await stores.log.read(TOPIC, 0, 0, records_max=10)
    assert list(batch.records) == [others[0], bare, others[1]]
    stores.close()
    assert [name for name, body in _files(tmp_path).items() if secret in body] == []


async def test_what_was_looked_up_before_is_overwritten_and_removed_all_the_same(
    stores: ViewStores,
) -> None:
    """However a log remembers what it has read of its file."""
    for number in range(3):
        await _put(stores, number, BEGIN_MS + number)
    await stores.reopen()
    keeping, places = stores.log.keeping, [(TOPIC, 0, number) for number in range(3)]
    before = await stores.log.pick(places)
    assert len(before) == 3
    bare = item(9, 9, BEGIN_MS)
    for place in places:
        assert await keeping.overwrite({place: bare}) == 1
        assert (await stores.log.pick(places))[place] == bare
    found = await keeping.removable(TOPIC, 0, before_ms=BEGIN_MS + 99, below=FAR, bytes_max=FAR)
    assert found is not None
    await keeping.remove(found)
    assert await stores.log.pick(places) == {}


def _files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("*.db*")}


async def test_what_is_kept_since_never_goes_back(tmp_path: Path) -> None:
    state = SqliteStores(tmp_path / "state.db", joint=False)
    await state.open()
    kept = SqliteKept(state.engine)
    assert await kept.since_ms("history") == 0
    await kept.rise("history", 5)
    await kept.rise("history", 3)
    await state.reopen()
    assert await SqliteKept(state.engine).since_ms("history") == 5
    state.close()


def _key(at_ms: int) -> bytes:
    return at_ms.to_bytes(6, "big")


async def test_the_oldest_that_is_open_is_found(tmp_path: Path) -> None:
    state = SqliteStores(tmp_path / "state.db", joint=False)
    await state.open()
    kept = SqliteKept(state.engine)
    assert await kept.open_since_ms() is None
    timers, fanouts = await state.timers(), await state.fanouts()
    late, early = _key(BEGIN_MS + 9) + bytes(14), _key(BEGIN_MS + 5) + bytes(14)
    armed = [
        Timer(bytes([n]), BEGIN_MS + 50 - n, "events.bulk", 0, b"", about, "hold")
        for n, about in enumerate((late, early))
    ]
    await timers.claim_arm(armed)
    await state.settled()
    assert await kept.open_since_ms() == BEGIN_MS + 5
    await timers.fired([armed[1].key], BEGIN_MS + 60)
    assert await kept.open_since_ms() == BEGIN_MS + 9
    await fanouts.claim_create([_fanout(BEGIN_MS + 2)])
    await state.settled()
    assert await kept.open_since_ms() == BEGIN_MS + 2
    await fanouts.set_state(_fanout(BEGIN_MS + 2).key, "aborted", "test", BEGIN_MS)
    assert await kept.open_since_ms() == BEGIN_MS + 9
    state.close()


def _fanout(at_ms: int) -> Fanout:
    key = _key(at_ms) + bytes(10)
    return Fanout(key, key, "bulk", 0, 0, "w", 1, 0, "bulk", f"fanout-{at_ms}", 1, at_ms)


async def test_the_state_store_loses_what_ended_and_nothing_else(tmp_path: Path) -> None:
    state = SqliteStores(tmp_path / "state.db", joint=False)
    await state.open()
    old_ms, new_ms, now_ms = BEGIN_MS, BEGIN_MS + 50 * DAY_MS, BEGIN_MS + 100 * DAY_MS
    gone: list[str] = []

    async def delete(names: Sequence[str]) -> None:
        gone.extend(names)

    claims, timers, fanouts = await state.claims(), await state.timers(), await state.fanouts()
    idempotency, recipients = await state.idempotency(), await state.recipients()
    for at_ms in (old_ms, new_ms):
        delivery = _key(at_ms) + bytes(14)
        await claims.claim([Claim(delivery, "worker", "sending", 1, at_ms, f"k{at_ms}")])
        await claims.put_tombstone(Tombstone(f"k{at_ms}", ("ana",), at_ms, at_ms + DAY_MS))
        await fanouts.claim_create([_fanout(at_ms)])
        await timers.claim_arm([Timer(delivery, at_ms, "events.bulk", 0, b"", delivery, "hold")])
    await fanouts.set_state(_fanout(old_ms).key, "aborted", "test", old_ms)
    await timers.fired([_key(old_ms) + bytes(14)], old_ms)
    await idempotency.begin("s", "k", b"f", old_ms)
    await idempotency.finish("s", "k", StoredAnswer(200, b"{}", "application/json"), old_ms)
    await _versions(recipients, (old_ms, old_ms + DAY_MS, new_ms))
    cut = Cut(now_ms, BEGIN_MS + 40 * DAY_MS, 0, 0)
    for store in forgets_state(state.engine, delete):
        while await store.forget(cut) is not None:
            pass
    assert [c.at_ms for c in await claims.by_cancellation_key(f"k{old_ms}")] == []
    assert [c.at_ms for c in await claims.by_cancellation_key(f"k{new_ms}")] == [new_ms]
    assert await claims.tombstones([f"k{old_ms}"], old_ms) == {}
    assert await fanouts.get(_fanout(old_ms).key) is None
    assert await fanouts.get(_fanout(new_ms).key) is not None
    assert gone == [f"fanout-{old_ms}"]
    assert await timers.known([_key(old_ms) + bytes(14)]) == []
    assert len(await timers.known([_key(new_ms) + bytes(14)])) == 1
    assert await idempotency.begin("s", "k", b"other", old_ms) is None
    # Of three versions the first was replaced before all that is remembered.
    assert [await recipients.version(1, number) is not None for number in (1, 2, 3)] == [
        False,
        True,
        True,
    ]
    state.close()


async def test_attempts_go_with_the_events_that_they_were_made_for(stores: ViewStores) -> None:
    old_ms, new_ms = BEGIN_MS, BEGIN_MS + 50 * DAY_MS
    old, beside, new = (
        _key(at_ms) + bytes((*bytes(13), number))
        for number, at_ms in enumerate((old_ms, old_ms, new_ms))
    )
    await stores.put(Output("outcomes", 0, [Attempt(old, 1, 1, "p", "a", old_ms)]))
    # Both of the last two share a transaction.
    made = [Attempt(beside, 1, 1, "p", "a", old_ms), Attempt(new, 1, 1, "p", "a", new_ms)]
    await stores.put(Output("outcomes", 0, made))
    views = ViewFile(stores.view_writer, stores.view_readers)
    cut = Cut(BEGIN_MS + 100 * DAY_MS, BEGIN_MS + 40 * DAY_MS, 0, 0)
    for store in forgets_views(views, stores.inbox, (), 1, holds_bodies=not stores.joint):
        while await store.forget(cut) is not None:
            pass
    assert await stores.ledger.attempts([old, beside, new]) == {new: [made[1]]}


async def _versions(store: Recipients, times: tuple[int, ...]) -> None:
    for version, at_ms in enumerate(times, 1):
        number = 0 if version == 1 else 1
        await store.put([Recipient(number, "ana", version, changed_ms=at_ms)])
    await store.durable()


async def test_changes_and_items_are_what_a_slice_is_cut_of(stores: ViewStores) -> None:
    records: list[Item | StateChange] = [item(1, number, BEGIN_MS) for number in range(2_000)]
    await stores.log.append([Output(TOPIC, 0, records)])
    keeping, slices = stores.log.keeping, 0
    while found := await keeping.removable(
        TOPIC, 0, before_ms=BEGIN_MS + 1, below=FAR, bytes_max=60_000
    ):
        await keeping.remove(found)
        slices += 1
    assert slices > 2
    assert await _held(stores) == []
