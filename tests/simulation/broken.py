"""Parts of the engine with one mistake each; everything else they leave to the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, cast

import msgspec

from tocsin.domain.inbox import Counts
from tocsin.domain.records import Item
from tocsin.errors import StorageFull
from tocsin.ports.log import Batch, Follow, Output, Step
from tocsin.ports.state import Claim, StoredAnswer, Timer
from tocsin.ports.views import Missed

# The checker looks at all timers that there are, by a time that never comes.
_LOOKING_MS = 10**15


class Broken:
    """Hands everything on to the real part."""

    def __init__(self, real: Any, dice: Random) -> None:
        self._real = real
        self._dice = dice

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class PositionFirst(Broken):
    """A log whose readers' positions are durable before what they wrote."""

    async def commit(self, step: Step, follow: Follow | None = None) -> Sequence[Batch]:
        await self._real.commit(Step(step.sources, ()))
        batches: Sequence[Batch] = await self._real.commit(Step((), step.outputs), follow)
        return batches


class EventKept(Broken):
    """A log that says that it is full, and keeps what it was given."""

    async def append(self, outputs: Sequence[Output]) -> Sequence[Batch]:
        batches: Sequence[Batch] = await self._real.append(outputs)
        if outputs[0].topic.startswith("events.") and self._dice.random() < 0.2:
            raise StorageFull("the disk is full; nothing of this was stored")
        return batches


class Scattered(Broken):
    """A log that puts an event on any partition."""

    def partition_of(self, topic: str, key: int) -> int:
        where: int = self._real.partition_of(topic, key)
        if topic.startswith("events."):
            return self._dice.randrange(self._real.partitions)
        return where


class ClaimedAnew(Broken):
    """Owners that come out different when a batch is decided again after a crash."""

    def __init__(self, real: Any, dice: Random) -> None:
        super().__init__(real, dice)
        self._life = dice.randbytes(2)

    async def claim(self, claims: Sequence[tuple[bytes, bytes]], now_ms: int) -> Sequence[bytes]:
        mine = [(digest, self._life + owner[2:]) for digest, owner in claims]
        owners: Sequence[bytes] = await self._real.claim(mine, now_ms)
        return [
            real if owner == own else owner
            for (_, real), (_, own), owner in zip(claims, mine, owners, strict=True)
        ]


class ForgetfulDeduplication(Broken):
    """Everybody who claims is the owner."""

    def lookup(self, digests: Sequence[bytes], now_ms: int) -> Mapping[bytes, bytes]:
        return {}

    async def claim(self, claims: Sequence[tuple[bytes, bytes]], now_ms: int) -> Sequence[bytes]:
        return [owner for _, owner in claims]


class FiredFirst(Broken):
    """Timers that are retired before their record is on the log."""

    async def due(self, now_ms: int, limit: int) -> Sequence[Timer]:
        timers: Sequence[Timer] = await self._real.due(now_ms, limit)
        if timers and now_ms < _LOOKING_MS:
            await self._real.fired([timer.key for timer in timers], now_ms)
            await asyncio.sleep(1.0)  # house: allow sleep, a second of virtual time
        return timers


class UnguardedTimers(Broken):
    """Timers that are often not retired, so that they fire again."""

    async def fired(self, keys: Sequence[bytes], now_ms: int) -> None:
        if self._dice.random() < 0.5:
            await self._real.fired(keys, now_ms)


class HalfAway(Broken):
    """Recipients of whom a read now and then forgets one."""

    async def by_id(self, ids: Sequence[str]) -> Mapping[str, Any]:
        found = dict(await self._real.by_id(ids))
        if found and self._dice.random() < 0.8:
            found.pop(self._dice.choice(sorted(found)))
        return found


class Misaddressed(Broken):
    """An inbox that now and then writes an item for the next person."""

    def prepare(self, batches: Sequence[Batch]) -> Any:
        return self._real.prepare([self._changed(batch) for batch in batches])

    async def write(self, batches: Sequence[Batch]) -> None:
        await self._real.write([self._changed(batch) for batch in batches])

    def _changed(self, batch: Batch) -> Batch:
        records = [self._moved(record) for record in batch.records]
        return Batch(batch.topic, batch.partition, batch.position, records)

    def _moved(self, record: Any) -> Any:
        if isinstance(record, Item) and self._dice.random() < 0.1:
            return msgspec.structs.replace(record, recipient=record.recipient % 5 + 1)
        return record


class PartialLedger(Broken):
    """A ledger that now and then overlooks an item."""

    def prepare(self, batches: Sequence[Batch]) -> Any:
        return self._real.prepare([self._some(batch) for batch in batches])

    async def write(self, batches: Sequence[Batch]) -> None:
        await self._real.write([self._some(batch) for batch in batches])

    def _some(self, batch: Batch) -> Batch:
        records = [None if self._overlooks(each) else each for each in batch.records]
        return Batch(batch.topic, batch.partition, batch.position, cast("Any", records))

    def _overlooks(self, record: object) -> bool:
        return isinstance(record, Item) and self._dice.random() < 0.1


class LostMissed(Broken):
    """An inbox that forgets the newest of what somebody missed."""

    async def missed(self, recipient: int, vector: Sequence[int], *, limit: int) -> Missed | None:
        missed: Missed | None = await self._real.missed(recipient, vector, limit=limit)
        if missed is None or not missed.items:
            return missed
        return Missed(missed.items[:-1], missed.changes)


class BlindCounts(Broken):
    """An inbox that counts up and never looks again."""

    def __init__(self, real: Any, dice: Random) -> None:
        super().__init__(real, dice)
        self._known: dict[int, Counts] = {}

    async def counts(self, recipient: int, now_ms: int) -> Counts:
        if recipient not in self._known:
            self._known[recipient] = await self._real.counts(recipient, now_ms)
        return self._known[recipient]


class UnguardedKeys(Broken):
    """Idempotency keys that nobody remembers."""

    async def begin(self, scope: str, key: str, mark: bytes, now_ms: int) -> StoredAnswer | None:
        return None


class WithoutIds(Broken):
    """Accept that gives events without an id a new one each time."""

    async def take(self, caller: Any, events: Any, **how: Any) -> Any:
        return await self._real.take(caller, events, **{**how, "id_of": None})


class UnlistedRefusals(Broken):
    """A suppression list that nobody reads."""

    async def matching(self, numbers: Sequence[int], digests: Sequence[bytes]) -> Sequence[Any]:
        return ()


class Unpaused(Broken):
    """Pauses that whoever routes does not hear of."""

    async def in_force(self) -> Sequence[Any]:
        return ()


class CancelTold(Broken):
    """Claims whose swap believes what it read: a cancel wins whoever was first."""

    async def by_cancellation_key(self, key: str) -> Sequence[Claim]:
        rows: Sequence[Claim] = await self._real.by_cancellation_key(key)
        return [
            msgspec.structs.replace(row, state="deferred") if row.state == "sent" else row
            for row in rows
        ]

    async def swap(self, old: Claim, new: Claim) -> Claim:
        await self._real.swap(old, new)
        return new


class EverybodyFirst(Broken):
    """Claims in which everybody who comes is told to be the first."""

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        await self._real.claim(claims)
        return claims


class TamperedTrail(Broken):
    """A trail in which somebody changes what was done."""

    async def verify(self) -> int | None:
        await self._real._engine.execute(
            "UPDATE trail SET change = x'00' WHERE number = (SELECT max(number) FROM trail)", ()
        )
        broken: int | None = await self._real.verify()
        return broken
