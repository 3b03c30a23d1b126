"""Cancelling: what has not gone out yet does not, and what is still to come is caught."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from pyroaring import BitMap

from tocsin.app.callers import Limits, Principal
from tocsin.app.cancel_standing import CancelStanding, handed_over, is_handed
from tocsin.app.cancelling_intervals import CancelIntervals
from tocsin.app.cancels import Cancel, KeptCancels
from tocsin.app.delivering.concluding import LINED
from tocsin.app.fanouts import FanoutRunner, records_of
from tocsin.app.routing.holding import CANCEL, FANOUT
from tocsin.app.trail import Notes
from tocsin.domain.channels import INBOX
from tocsin.domain.delivery import OPEN, State
from tocsin.domain.ids import notification_of, recipient_of
from tocsin.domain.intervals import is_interval
from tocsin.domain.reasons import Reason
from tocsin.domain.records import Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.errors import Forbidden
from tocsin.ports.cache import Blobs
from tocsin.ports.log import Follow, Log, Output, Step
from tocsin.ports.state import Claim, Claims, Fanout, Fanouts, Recipients, Timers, Tombstone
from tocsin.ports.system import Chance, Clock

LISTED_MAX: Final = 1_000
_SWAPS: Final = 500
"""Rows that are raced for at once."""


class CancelVerdict(StrEnum):
    """
    What a cancel came to for one recipient.

    ``cancelled``: no provider was called and nothing shown. ``already_sent``: it came too late, and
    the ledger says what became of the call. ``in_flight``: a call, or a decision, is under way.
    ``held``: there is no event yet.
    """

    CANCELLED = "cancelled"
    PARTLY_SENT = "partly_sent"
    ALREADY_SENT = "already_sent"
    IN_FLIGHT = "in_flight"
    HELD = "held"


class CancelOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """``recipients`` is None where they are more than are listed."""

    id: str
    held_until_ms: int
    counts: dict[str, int]
    recipients: dict[str, CancelVerdict] | None


class CancelDesk:
    """
    Cancels by key.

    The tombstone is durable before any row is looked for, and every row is taken by
    compare-and-set, so ``cancelled`` is only said of what no provider was called for.
    """

    def __init__(
        self,
        log: Log,
        claims: Claims,
        timers: Timers,
        fanouts: Fanouts,
        recipients: Recipients,
        blobs: Blobs,
        runner: FanoutRunner,
        notes: Notes,
        clock: Clock,
        chance: Chance,
        follow: Follow | None,
        intervals: CancelIntervals,
        standing: CancelStanding,
    ) -> None:
        self._log = log
        self._standing = standing
        self._intervals = intervals
        self._claims = claims
        self._timers = timers
        self._fanouts = fanouts
        self._recipients = recipients
        self._blobs = blobs
        self._kept = KeptCancels(blobs)
        self._runner = runner
        self._notes = notes
        self._clock = clock
        self._chance = chance
        self._follow = follow

    async def cancel(
        self, by: Principal, key: str, recipients: Sequence[str] | None, hold_ms: int
    ) -> CancelOutcome:
        """
        Cancel, and return what it came to by now; what is in flight shows in the ledger.

        Raises `Forbidden` for a key that is limited in what it may send.
        """
        _check_unlimited(by.limits)
        now_ms = self._clock.now_ms()
        named = None if recipients is None else tuple(dict.fromkeys(recipients))
        cancel = Cancel(key, named, now_ms, now_ms + hold_ms)
        id = await self._kept.keep(cancel, self._chance)
        await self._claims.put_tombstone(Tombstone(key, named, now_ms, cancel.until_ms))
        concerned = await self._concerned(cancel)
        await self._intervals.hold(key, named, now_ms, concerned)
        rows = [row for row in concerned if not _is_scheduled(row)]
        await self._halt([row for row in rows if row.state == FANOUT])
        standing: list[Claim] = []
        for first in range(0, len(rows), _SWAPS):
            some = rows[first : first + _SWAPS]
            standing += await asyncio.gather(*(self._take(row, named) for row in some))
        ended = [row for row in standing if row.holder == CANCEL]
        await self._settle([row for row in ended if not is_interval(row.delivery)])
        await self._intervals.end([row for row in ended if is_interval(row.delivery)])
        await self._notes.add(by, "cancel", f"cancel/{id}", f"{len(rows)} rows")
        return await self._outcome(id, cancel, standing)

    async def status(self, id: str) -> CancelOutcome:
        """Return how an earlier cancel stands, up to a day after its hold; raises `NotFound`."""
        cancel = await self._kept.get(id)
        return await self._outcome(id, cancel, await self._concerned(cancel))

    async def _concerned(self, cancel: Cancel) -> list[Claim]:
        rows = await self._claims.by_cancellation_key(cancel.key)
        if cancel.recipients is None:
            return list(rows)
        found = await self._recipients.by_id(cancel.recipients)
        # The row of a fan-out, which is nobody's, concerns them all.
        numbers = {0, *(one.number for one in found.values())}
        return [row for row in rows if _number(row) in numbers]

    async def _halt(self, rows: Sequence[Claim]) -> None:
        """A chunk in hand may have been decided before the tombstone: let it end first."""
        for row in rows:
            fanout = await self._fanouts.get(notification_of(row.delivery))
            if fanout is not None:
                async with self._runner.halted(fanout):
                    continue

    async def _take(self, row: Claim, named: tuple[str, ...] | None) -> Claim:
        """Take one row if it still waits; return what stands."""
        while _waits(row) or (row.state == FANOUT and named is None):
            new = msgspec.structs.replace(
                row,
                holder=CANCEL,
                state=State.CANCELLED,
                epoch=row.epoch + 1,
                at_ms=self._clock.now_ms(),
            )
            row = await self._claims.swap(row, new)
        return row

    async def _settle(self, rows: Iterable[Claim]) -> None:
        """
        Say in the ledger what was cancelled, then let go of what would have released it.

        But for the timers of those whom others may wait behind: a lane hears of what it did not
        write itself when their time comes, and lets the others go.

        Rows that an earlier cancel took are told of again, in case that one did not come so far;
        of several records the first stands.
        """
        ended = [row for row in rows if _number(row)]
        if not ended:
            return
        made: dict[int, list[Settled]] = {}
        for row in ended:
            partition = self._log.partition_of(OUTCOMES, _number(row))
            made.setdefault(partition, []).append(_settled(row))
        outputs = [Output(OUTCOMES, partition, records) for partition, records in made.items()]
        await self._log.commit(Step((), outputs), self._follow)
        waiting = await self._timers.waiting([row.delivery for row in ended])
        released = [timer.key for timer in waiting if timer.kind not in LINED]
        if released:
            await self._timers.disarm(released)

    async def _outcome(self, id: str, cancel: Cancel, rows: Sequence[Claim]) -> CancelOutcome:
        fanouts = [
            found
            for row in rows
            if not _number(row)
            and (found := await self._fanouts.get(notification_of(row.delivery))) is not None
        ]
        counts = Counter[CancelVerdict]()
        standing = await self._standing.of(cancel.key, rows)
        if cancel.recipients is None:
            standing = await self._count_fanouts(fanouts, standing, counts)
        states = _states(standing)
        if cancel.recipients is not None:
            for fanout in fanouts:
                await self._in_fanout(cancel.recipients, fanout, states)
        verdicts = await self._verdicts(cancel, states)
        counts.update(verdicts.values())
        many = len(verdicts) > LISTED_MAX or (cancel.recipients is None and bool(fanouts))
        return CancelOutcome(
            id=id,
            held_until_ms=cancel.until_ms,
            counts={str(verdict): number for verdict, number in counts.items() if number},
            recipients=None if many else verdicts,
        )

    async def _verdicts(
        self, cancel: Cancel, states: Mapping[int, set[str]]
    ) -> dict[str, CancelVerdict]:
        known = await self._recipients.by_number(list(states))
        found = {known[n].id: _verdict(of) for n, of in states.items() if n in known}
        for id in cancel.recipients or ():
            found.setdefault(id, CancelVerdict.HELD)
        return found

    async def _in_fanout(
        self, ids: Sequence[str], fanout: Fanout, states: dict[int, set[str]]
    ) -> None:
        """Note how the named stand in a fan-out: shown already, or caught by the tombstone."""
        audience = BitMap.deserialize(await self._blobs.get(fanout.snapshot))
        found = await self._recipients.by_id(ids)
        named = audience & BitMap(one.number for one in found.values())
        for record in await records_of(self._log, fanout):
            sent = record.by_reason.get(Reason.SEND) if record.channel == INBOX else None
            for number in named & BitMap.deserialize(sent) if sent is not None else ():
                states.setdefault(number, set()).add(State.SENT)
        for number in named:
            states.setdefault(number, {State.CANCELLED})

    async def _count_fanouts(
        self, fanouts: Sequence[Fanout], standing: Sequence[Claim], counts: Counter[CancelVerdict]
    ) -> list[Claim]:
        """Count what is decided of them, each delivery by itself; return the rows of the rest."""
        chunks = [each for fanout in fanouts for each in await records_of(self._log, fanout)]
        handed = handed_over(chunks)
        mine = [row for row in standing if is_handed(row, handed)]
        called: dict[bytes, set[str]] = {}
        for row in mine:
            called.setdefault(row.delivery[:17], set()).add(row.state)
        counts.update(map(_verdict, called.values()))
        # What was handed over is caught where it is about to be called, or not.
        counts[CancelVerdict.IN_FLIGHT] += sum(map(len, handed.values())) - len(called)
        for chunk in chunks:
            for reason, members in chunk.by_reason.items():
                if reason == Reason.SEND and chunk.channel == INBOX:
                    counts[CancelVerdict.ALREADY_SENT] += len(BitMap.deserialize(members))
                elif reason == Reason.CANCELLED:
                    counts[CancelVerdict.CANCELLED] += len(BitMap.deserialize(members))
        # Whoever is left ends as cancelled when her chunk comes.
        left = sum(each.audience * each.steps - each.decided for each in fanouts)
        counts[CancelVerdict.CANCELLED] += left
        return [row for row in standing if not is_handed(row, handed)]


def _check_unlimited(limits: Limits) -> None:
    """
    A tombstone catches whatever comes under its key, of any workflow, source and lane.

    So a cancel cannot be kept within limits: events that it would have to spare are not there yet.
    """
    limited = {
        "workflows": limits.workflows,
        "categories": limits.categories,
        "sources": limits.sources,
        "lanes": limits.lanes,
    }
    for what, allowed in limited.items():
        if allowed:
            raise Forbidden(
                f"the key is limited to certain {what}, and a cancellation key reaches all of them;"
                " cancel with a key that has no such limit"
            )


def _is_scheduled(row: Claim) -> bool:
    return is_interval(row.delivery) and not _number(row)


def _waits(row: Claim) -> bool:
    return row.state in OPEN and row.state != State.SENDING


def _verdict(states: set[str]) -> CancelVerdict:
    if State.SENDING in states:
        return CancelVerdict.IN_FLIGHT
    if State.CANCELLED not in states:
        return CancelVerdict.ALREADY_SENT
    return CancelVerdict.CANCELLED if len(states) == 1 else CancelVerdict.PARTLY_SENT


def _states(rows: Iterable[Claim]) -> dict[int, set[str]]:
    states: dict[int, set[str]] = {}
    for row in rows:
        if _number(row):
            states.setdefault(_number(row), set()).add(row.state)
    return states


def _settled(row: Claim) -> Settled:
    return Settled(
        delivery=row.delivery,
        lane=row.lane,
        channel=row.channel,
        state=State.CANCELLED,
        reason=Reason.CANCELLED,
        at_ms=row.at_ms,
    )


def _number(row: Claim) -> int:
    """Return the recipient's number; 0 for the row of a fan-out."""
    return recipient_of(row.delivery)
