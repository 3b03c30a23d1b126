"""Reading the ledger: events, notifications and deliveries, as they stand now."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from tocsin.app.history.chunks import ChunksStep
from tocsin.app.history.finding import Finder, LaneEvent
from tocsin.domain.delivery import OPEN, State
from tocsin.domain.history import (
    Note,
    Planned,
    Standing,
    notes,
    outcome,
    refined,
    standing,
)
from tocsin.domain.ids import NotificationKey, accepted_ms, event_prefix, notification_parts
from tocsin.domain.inbox import ItemState
from tocsin.domain.lanes import LANES
from tocsin.domain.reasons import Outcome
from tocsin.domain.records import Attempt, Broadcast, Plan, PlannedRun, Settled
from tocsin.errors import NotFound, RequestRefused
from tocsin.ports.log import Log
from tocsin.ports.state import Fanout, Fanouts, Recipients
from tocsin.ports.views import InboxView, LedgerView

SCANNED_MAX: Final = 20_000
"""Plans that one page of a workflow's list looks at; the cursor goes on from there."""

_FIRST_PART_MS: Final = 10_000
_SHOWN_LOOKED_AT_MAX: Final = 500
"""A fan-out's notifications have no index by recipient: the newest items of the inbox show them."""

STATES_SERVED: Final = ("failed", "expired", "pending")


class ShownDelivery(NamedTuple):
    """One delivery and where it stands."""

    planned: Planned
    standing: Standing


class ShownNote(NamedTuple):
    """One notification and its deliveries."""

    note: Note
    deliveries: Sequence[ShownDelivery]


class EventView(NamedTuple):
    """One event: what became of it, lane by lane."""

    lanes: Sequence[LaneEvent]
    outcome: str
    fanouts: Sequence[Fanout]


class NoteView(NamedTuple):
    """One notification with everything that is known of it."""

    shown: ShownNote
    trail: Mapping[bytes, Sequence[Attempt | Settled]]
    """Attempts and receipts by delivery."""
    engagement: ItemState | None


class NotePage(NamedTuple):
    """One page of a list; ``next`` is where the next one begins."""

    items: Sequence[ShownNote]
    next: int | None

    def since(self, at_ms: int) -> NotePage:
        """Return the page without what was accepted before *at_ms*; nothing older follows then."""
        kept = [each for each in self.items if _ms(each.note) >= at_ms]
        return NotePage(kept, self.next if len(kept) == len(self.items) else None)


class Ledger:
    """What operators and backends ask: no list asks once per item."""

    def __init__(
        self,
        log: Log,
        finder: Finder,
        view: LedgerView,
        inbox: InboxView,
        fanouts: Fanouts,
        recipients: Recipients,
    ) -> None:
        self._log = log
        self._finder = finder
        self._view = view
        self._inbox = inbox
        self._fanouts = fanouts
        self._recipients = recipients
        self._chunks = ChunksStep(recipients)

    async def event(self, key: bytes) -> EventView:
        """Return an event by its id; raises `NotFound`."""
        lanes = await self._finder.event(key)
        if not lanes:
            raise NotFound("the log holds no event with this id")
        fanouts = await self._fanouts.of_event(key)
        return EventView(lanes, outcome(each.own for each in lanes), fanouts)

    async def notification(self, key: bytes) -> NoteView:
        """Return one notification, out of a plan or of a fan-out's chunks; raises `NotFound`."""
        number = notification_parts(NotificationKey(key)).recipient
        for lane in await self._finder.event(event_prefix(key)):
            note = notes(lane.lane, lane.runs(), recipient=number).get(key)
            if note is None:
                chunks = await self._finder.chunks(lane.event.key)
                note = (await self._chunked(chunks, number)).get(key)
            if note is not None:
                return await self._whole(note)
        raise NotFound("nothing holds a notification with this id")

    async def of_recipient(self, id: str, *, before_ms: int | None, limit: int) -> NotePage:
        """Return a recipient's notifications, newest first; raises `NotFound` for an unknown one."""
        recipient = (await self._recipients.by_id([id])).get(id)
        if recipient is None:
            raise NotFound("there is no such recipient")
        found, more = await self._planned(recipient.number, before_ms, limit)
        last_ms = min(map(_ms, found.values()), default=0) if more else 0
        for key, note in (await self._shown_to(recipient.number)).items():
            if last_ms <= _ms(note) and (before_ms is None or _ms(note) < before_ms):
                found.setdefault(key, note)
        ordered = sorted(found.values(), key=_key, reverse=True)
        return NotePage(await self.shown(ordered), last_ms if more else None)

    async def _planned(
        self, number: int, before_ms: int | None, limit: int
    ) -> tuple[dict[bytes, Note], bool]:
        """
        Return about *limit* notifications that plans name, and whether older ones follow.

        A page ends between two times, so that the next can begin at one.
        """
        while True:
            places = await self._view.notifications_of(number, before_ms=before_ms, limit=limit + 1)
            found = await self._notes_at(places, number)
            if len(places) <= limit:
                return found, False
            oldest_ms = min(map(_ms, found.values()), default=0)
            kept = {key: note for key, note in found.items() if _ms(note) > oldest_ms}
            if kept or limit >= SCANNED_MAX:
                return kept or found, True
            limit *= 4

    async def _notes_at(
        self, places: Sequence[tuple[str, int, int]], number: int
    ) -> dict[bytes, Note]:
        plans = await self._log.pick([(f"plans.{lane}", p, at) for lane, p, at in places])
        found: dict[bytes, Note] = {}
        for lane, partition, position in reversed(places):
            plan = plans.get((f"plans.{lane}", partition, position))
            if isinstance(plan, Plan):
                runs = [(plan, run) for run in plan.runs]
                for key, note in notes(lane, runs, recipient=number).items():
                    found[key] = _newer(found.get(key), note)
        return found

    async def _shown_to(self, number: int) -> dict[bytes, Note]:
        """Return the fan-outs' notifications among the newest items of a recipient's inbox."""
        items = await self._inbox.items(number, before=None, limit=_SHOWN_LOOKED_AT_MAX)
        chunks = [each.broadcast for each in items if each.broadcast is not None]
        return await self._chunked(chunks, number)

    async def _chunked(self, chunks: Sequence[Broadcast], number: int) -> dict[bytes, Note]:
        if not chunks:
            return {}
        profile = (await self._recipients.by_number([number])).get(number)
        return await self._chunks.notes(chunks, profile, 0) if profile is not None else {}

    async def of_event(self, key: bytes, *, after: int, limit: int) -> NotePage:
        """Return an event's notifications that plans name; fan-outs have theirs in chunks."""
        view = await self.event(key)
        found = [note for lane in view.lanes for note in notes(lane.lane, lane.runs()).values()]
        page = found[after : after + limit]
        following = after + limit if len(found) > after + limit else None
        return NotePage(await self.shown(page), following)

    async def of_workflow(
        self, workflow: str, state: str, *, since_ms: int, before_ms: int, limit: int
    ) -> NotePage:
        """
        Return a workflow's notifications in *state* that were accepted in [since, before).

        Newest first by second or so: it looks at a bounded number of plans, and the page may be
        short although more follow.
        """
        if state not in STATES_SERVED:
            raise RequestRefused(
                "a workflow is listed with a state of failed, expired or pending",
                code="filter_not_served",
            )
        found: list[ShownNote] = []
        scanned = 0
        async for begin_ms, some in self._portions(since_ms, before_ms):
            scanned += len(some)
            runs = _runs_by_lane(some, workflow)
            candidates = [n for lane, each in runs.items() for n in notes(lane, each).values()]
            shown = await self.shown(sorted(candidates, key=_key, reverse=True))
            found += [each for each in shown if _has(each, state)]
            if len(found) >= limit or scanned >= SCANNED_MAX:
                return NotePage(found, begin_ms if begin_ms > since_ms else None)
        return NotePage(found, None)

    async def shown(self, found: Sequence[Note]) -> list[ShownNote]:
        """Return how the deliveries of *found* stand, with two questions to the ledger."""
        keys = [planned.delivery for note in found for planned in note.deliveries]
        settled = {
            key: Standing(each.state, each.reason, each.at_ms)
            for key, each in (await self._view.settled(keys) if keys else {}).items()
        }
        now = {each.delivery: standing(each, settled) for note in found for each in note.deliveries}
        handed = [key for key, each in now.items() if each.state == State.PENDING]
        for key, trail in (await self._view.attempts(handed) if handed else {}).items():
            now[key] = refined(now[key], trail)
        return [
            ShownNote(note, [ShownDelivery(each, now[each.delivery]) for each in note.deliveries])
            for note in found
        ]

    async def _whole(self, note: Note) -> NoteView:
        keys = [each.delivery for each in note.deliveries]
        found = await self._view.attempts(keys)
        trail = {key: found.get(key, ()) for key in keys}
        shown = (await self.shown([note]))[0]
        items = await self._inbox.by_key(note.recipient, [note.key])
        return NoteView(shown, trail, items[0].state if items else None)

    async def _portions(
        self, since_ms: int, before_ms: int
    ) -> AsyncIterator[tuple[int, list[tuple[str, Plan]]]]:
        """Yield (begin, plans) of parts of [since, before), the newest first."""
        size_ms = _FIRST_PART_MS
        while before_ms > since_ms:
            begin_ms = max(since_ms, before_ms - size_ms)
            found: list[tuple[str, Plan]] = []
            for lane in LANES:
                for partition in range(self._log.partitions):
                    topic = f"plans.{lane}"
                    spans = await self._log.spans(topic, partition, begin_ms, before_ms)
                    for first, end in spans:
                        batch = await self._log.read(
                            topic, partition, first, records_max=end - first
                        )
                        found += [
                            (lane, plan)
                            for plan in batch.records
                            if isinstance(plan, Plan)
                            and plan.outcome is not Outcome.REPEAT
                            and begin_ms <= plan.stamp_ms < before_ms
                        ]
            yield begin_ms, found
            before_ms = begin_ms
            size_ms = size_ms * 2 if len(found) < SCANNED_MAX // 4 else _FIRST_PART_MS


def _runs_by_lane(
    plans: Sequence[tuple[str, Plan]], workflow: str
) -> dict[str, list[tuple[Plan, PlannedRun]]]:
    found: dict[str, list[tuple[Plan, PlannedRun]]] = {}
    for lane, plan in plans:
        for run in plan.runs:
            if run.workflow == workflow:
                found.setdefault(lane, []).append((plan, run))
    return found


def _has(shown: ShownNote, state: str) -> bool:
    states = {each.standing.state for each in shown.deliveries}
    return bool(states & OPEN) if state == "pending" else state in states


def _newer(before: Note | None, note: Note) -> Note:
    """Lay what a later plan says over what an earlier one said."""
    if before is None:
        return note
    merged = {each.delivery: each for each in before.deliveries}
    merged |= {each.delivery: each for each in note.deliveries}
    return msgspec.structs.replace(note, deliveries=tuple(merged.values()))


def _key(note: Note) -> bytes:
    return note.key


def _ms(note: Note) -> int:
    return accepted_ms(note.key)
