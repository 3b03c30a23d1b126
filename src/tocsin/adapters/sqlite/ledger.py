"""The ledger in SQLite: what settled, what was tried, and which plans name a recipient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final

import apsw
from pyroaring import BitMap

from tocsin.adapters.sqlite import attempts, settlements
from tocsin.adapters.sqlite.attempts import AttemptsWrite, Tried
from tocsin.adapters.sqlite.connection import Readers
from tocsin.adapters.sqlite.runs import WEEK_MS, IndexRuns
from tocsin.adapters.sqlite.settlements import (
    Kind,
    SettledBroadcast,
    Settlement,
    SettlementWrite,
)
from tocsin.adapters.sqlite.view_marks import ViewMarks
from tocsin.domain.channels import INBOX
from tocsin.domain.delivery import OPEN, State
from tocsin.domain.history import STATE_OF
from tocsin.domain.ids import EventKey, accepted_ms, delivery_key, notification_key
from tocsin.domain.lanes import LANE_NUMBER, LANES
from tocsin.domain.reasons import Reason, Verdict
from tocsin.domain.records import (
    OUTCOME_RECORDS,
    Attempt,
    Broadcast,
    Item,
    Plan,
    Settled,
    StateChange,
    decode,
    encode,
)
from tocsin.domain.topics import OUTCOMES
from tocsin.ports.log import Batch
from tocsin.ports.views import SettledDelivery

ENTRY_BYTES: Final = 20
KEY_BYTES: Final = 4

_SEND: Final = Verdict.SEND
_ENDS: Final = {verdict: str(state) for verdict, state in STATE_OF.items() if state not in OPEN}
"""The states that a decision alone ends a delivery in."""

_REASON_STATES: Final[dict[str, str]] = {
    Reason.SEND: "sent",
    Reason.EXPIRED: "expired",
    Reason.CANCELLED: "cancelled",
}

_FINAL: Final = frozenset(str(state) for state in State if state not in OPEN)
_HOW: Final = attrgetter("lane", "channel", "state", "reason", "at_ms", "attempt")
"""What deliveries have in common that settled alike."""


class LedgerWrite:
    """One transaction's part of the ledger."""

    __slots__ = ("_additions", "_attempts", "_chunks", "_runs", "_settled")

    def __init__(self, runs: IndexRuns, batches: Sequence[Batch]) -> None:
        self._runs = runs
        gathered = _Gathered()
        for batch in batches:
            gathered.take(batch)
        self._attempts = AttemptsWrite(gathered.tried)
        self._settled = SettlementWrite(gathered.settled, gathered.contested)
        self._chunks = gathered.chunks
        self._additions = [
            runs.add(some, partition=week) for week, some in gathered.weeks.items() if some
        ]

    def __call__(self, connection: apsw.Connection) -> None:
        """Write index, settlements and attempts."""
        for addition in self._additions:
            addition(connection)
        self._settled(connection)
        for chunk in self._chunks:
            chunk.write(connection)
        self._attempts(connection)

    def undo(self) -> None:
        """Take the entries back out of memory."""
        for addition in self._additions:
            self._runs.retract(addition)


class _Gathered:
    """What the records of some batches come to."""

    def __init__(self) -> None:
        self.weeks: dict[int, list[bytes]] = {}
        self.settled: dict[tuple[Kind, int], list[bytes]] = {}
        self.contested: list[Settlement] = []
        self.chunks: list[SettledBroadcast] = []
        self.tried = Tried()

    def take(self, batch: Batch) -> None:
        """Take one batch, by what its topic holds."""
        if batch.topic == OUTCOMES:
            self._outcomes(batch)
            return
        kind, _, lane = batch.topic.partition(".")
        if kind == "plans":
            self._plans(batch, lane)
            return
        for record in batch.records:
            match record:
                case Item():
                    self._item(record, lane)
                case Broadcast():
                    self._broadcast(record)
                case StateChange():
                    self._received(record)
                case _:
                    continue

    def _plans(self, batch: Batch, lane: str) -> None:
        where = bytes((LANE_NUMBER[lane], batch.partition))
        for position, record in enumerate(batch.records, batch.position):
            if isinstance(record, Plan):
                self._plan(record, lane, where, position)

    def _item(self, item: Item, lane: str) -> None:
        delivery = item.key + bytes((item.step, 0, 0, 0))
        kind = (lane, INBOX, "sent", Reason.SEND)
        self._settle(delivery, item.visible_ms, kind)

    def _plan(self, plan: Plan, lane: str, where: bytes, position: int) -> None:
        """Take a plan of the lane and partition that *where* stands for. Hot: one for each event."""
        if not plan.runs:
            return
        entries = self.weeks.setdefault(accepted_ms(plan.event) // WEEK_MS, [])
        tail = plan.event[:6] + where + position.to_bytes(6, "big") + b"\0\0"
        for run in plan.runs:
            for note in run.notifications:
                if note.recipient >> 32 == 0:
                    entries.append(note.recipient.to_bytes(4, "big") + tail)
                for decision in note.decisions:
                    # Most are to be sent, and an enumeration's member is dear to look up by.
                    if decision.verdict is _SEND:
                        continue
                    state = _ENDS.get(decision.verdict)
                    if state is None:
                        continue
                    key = notification_key(EventKey(plan.event), run.index, note.recipient)
                    delivery = delivery_key(key, decision.step, decision.address, plan.generation)
                    kind = (lane, decision.channel, state, decision.reason)
                    # Whoever meets a cancel at a delivery's row tells of it, also after a hold.
                    contested = plan.released is not None or state == "cancelled"
                    self._settle(delivery, plan.decided_ms, kind, contested=contested)

    def _received(self, change: StateChange) -> None:
        for delivery, lane in change.delivered:
            kind = (lane, INBOX, "delivered", change.state)
            self._settle(delivery, change.at_ms, kind)

    def _broadcast(self, record: Broadcast) -> None:
        counted: dict[Kind, int] = {}
        for reason, members in record.by_reason.items():
            if reason == Reason.SEND and record.channel != INBOX:
                continue  # handed over: the channel's workers settle each of them
            state = _REASON_STATES.get(reason, "suppressed")
            kind = (record.lane, record.channel, state, reason)
            counted[kind] = len(BitMap.deserialize(members))
        place = (record.fanout, record.step, record.block, record.part)
        self.chunks.append(SettledBroadcast(place, accepted_ms(record.event), counted))

    def _outcomes(self, batch: Batch) -> None:
        """Hot: a webhook is two of these records."""
        records, bodies = batch.records, batch.bodies
        places: Sequence[int] = range(batch.position, batch.end)
        deliveries = [each.delivery for each in records if isinstance(each, OUTCOME_RECORDS)]
        if len(deliveries) < len(records):
            # Some cannot be read, and have a position all the same.
            places = [
                p
                for p, each in zip(places, records, strict=True)
                if isinstance(each, OUTCOME_RECORDS)
            ]
            bodies = None
        if bodies is None:
            bodies = [encode(each) for each in records if isinstance(each, OUTCOME_RECORDS)]
        self.tried.add(batch.partition, places, deliveries, bodies)
        ended = [each for each in records if isinstance(each, Settled) and each.state in _FINAL]
        # Most of a batch ends alike, one after the other.
        for (lane, channel, state, reason, at_ms, attempt), alike in groupby(ended, _HOW):
            kind = (lane, channel, state, reason)
            settled = [each.delivery for each in alike]
            # What the first attempt came to is the first word there is; any other may be late.
            if attempt == 1:
                self.settled.setdefault((kind, at_ms), []).extend(settled)
            else:
                self.contested += [Settlement(each, at_ms, kind) for each in settled]

    def _settle(self, delivery: bytes, at_ms: int, kind: Kind, *, contested: bool = False) -> None:
        if contested:
            self.contested.append(Settlement(delivery, at_ms, kind))
            return
        same = self.settled.get((kind, at_ms))
        if same is None:
            self.settled[kind, at_ms] = [delivery]
        else:
            same.append(delivery)


class SqliteLedger:
    """`tocsin.ports.views.LedgerView`."""

    def __init__(self, runs: IndexRuns, readers: Readers, marks: ViewMarks) -> None:
        self._runs = runs
        self._readers = readers
        self._marks = marks

    def prepare(self, batches: Sequence[Batch]) -> LedgerWrite:
        """Return the write of *batches*."""
        return LedgerWrite(self._runs, batches)

    async def write(self, batches: Sequence[Batch]) -> None:
        """Apply *batches* in a transaction of the view's own file."""
        await self._marks.write(batches, self.prepare(batches))

    async def marks(self) -> Mapping[tuple[str, int], int]:
        """Return how far each partition is applied."""
        return await self._marks.all()

    async def settled(self, deliveries: Sequence[bytes]) -> Mapping[bytes, SettledDelivery]:
        """Return how those deliveries stand that have settled."""
        return await self._readers.run(lambda c: settlements.find(c, deliveries))

    async def attempts(
        self, deliveries: Sequence[bytes]
    ) -> Mapping[bytes, Sequence[Attempt | Settled]]:
        """Return attempts and outcomes, in the order of the log."""

        if not deliveries:
            return {}
        found = await self._readers.run(lambda c: attempts.find(c, deliveries))
        return {delivery: _outcomes(bodies) for delivery, bodies in found.items()}

    async def notifications_of(
        self, recipient: int, *, before_ms: int | None, limit: int
    ) -> Sequence[tuple[str, int, int]]:
        """Return (lane, partition, position) of plans that name *recipient*, newest first."""
        key = recipient.to_bytes(KEY_BYTES, "big")
        below = None if before_ms is None else before_ms.to_bytes(6, "big")
        found = await self._runs.find([key], limit=limit, below=below)
        return [
            (LANES[e[10]], e[11], int.from_bytes(e[12:18], "big"))
            for e in reversed(found.get(key, []))
        ]

    async def settled_counts(
        self, since_ms: int, until_ms: int
    ) -> Mapping[tuple[str, str, str], int]:
        """Count by (lane, channel, state) what was accepted in the window and has settled."""
        return await self._readers.run(lambda c: settlements.counts(c, since_ms, until_ms))


def _outcomes(bodies: Sequence[bytes]) -> list[Attempt | Settled]:
    records = map(decode, bodies)
    return [each for each in records if isinstance(each, OUTCOME_RECORDS)]
