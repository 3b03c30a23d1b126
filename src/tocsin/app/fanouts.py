"""The fan-out role: one loop per lane, chunk after chunk, each running fan-out in its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Final

import msgspec
import structlog
from pyroaring import BitMap

from tocsin.app.fanout_chunks import ChunkStep, Underway
from tocsin.app.lookup import EventLookup
from tocsin.app.pausing.gate import PauseGate
from tocsin.app.routing.again import own_data
from tocsin.app.routing.holding import CANCEL, FANOUT, ROUTE
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.domain.channels import INBOX
from tocsin.domain.chunks import Chunk, cut
from tocsin.domain.ids import accepted_ms, fanout_delivery, show_fanout
from tocsin.domain.lanes import LANES, Lane
from tocsin.domain.records import Broadcast, Event
from tocsin.domain.topics import BROADCASTS
from tocsin.domain.workflow import Workflow
from tocsin.errors import NotFound, StorageFailed, Unavailable
from tocsin.ports.cache import Blobs
from tocsin.ports.log import Follow, Log, Step
from tocsin.ports.state import Claim, Claims, Fanout, Fanouts, Recipients
from tocsin.ports.system import Clock

_SHOWN_PER_STEP: Final = 8
"""Most blocks in one commit: each is one bitmap per reason, so bytes are the limit."""
_RETRY_MS: Final = 200

logger = structlog.get_logger(__name__)


class FanoutRunner:
    """
    Decides fan-outs: each step is a few chunks and one commit of all that follows from them.

    A crash between a chunk and the cursor's advance repeats nothing: what is on the log is read
    back before a fan-out goes on. The cursor only tells how far it has come.
    """

    def __init__(
        self,
        log: Log,
        fanouts: Fanouts,
        blobs: Blobs,
        claims: Claims,
        recipients: Recipients,
        events: EventLookup,
        workflows: RunWorkflows,
        chunks: ChunkStep,
        clock: Clock,
        pauses: PauseGate,
        *,
        follow: Follow | None,
        handed_max: int,
    ) -> None:
        self._log = log
        self._fanouts = fanouts
        self._blobs = blobs
        self._claims = claims
        self._recipients = recipients
        self._events = events
        self._workflows = workflows
        self._chunks = chunks
        self._clock = clock
        self._pauses = pauses
        self._follow = follow
        self._handed_max = handed_max
        self._underway: dict[bytes, Underway] = {}
        self._wakes = {lane: asyncio.Event() for lane in LANES}
        self._turns = {lane: asyncio.Lock() for lane in LANES}
        self._resting = dict.fromkeys(LANES, False)
        fanouts.on_change(self._wake)
        pauses.on_change(self._wake)

    def busy(self) -> bool:
        """Return whether a fan-out has chunks that can be decided now."""
        return any(not self._resting[lane] or self._wakes[lane].is_set() for lane in LANES)

    async def run(self, lane: Lane) -> None:
        """Run the fan-outs of *lane* until cancelled."""
        wake = self._wakes[lane]
        while True:
            wake.clear()
            try:
                worked = [await self._turn(row) for row in await self._fanouts.running(lane)]
            except Unavailable as error:
                logger.warning("fanouts_wait", lane=lane, code=error.code)
                # It is not known what the commit left behind: it is read back.
                self._underway.clear()
                await self._clock.pause(_RETRY_MS)
                continue
            if not any(worked):
                self._resting[lane] = True
                await wake.wait()
                self._resting[lane] = False

    @asynccontextmanager
    async def halted(self, row: Fanout) -> AsyncIterator[None]:
        """
        Let no chunk of *row* be decided meanwhile; one that is in hand ends first.

        What is changed about the fan-out inside counts from its next chunk on.
        """
        async with self._turns[_lane(row)]:
            self._underway.pop(row.key, None)
            yield

    def rate_per_s(self, key: bytes) -> float | None:
        """Return how many were decided a second since it went on here; None when it does not."""
        work = self._underway.get(key)
        seconds = self._clock.monotonic() - work.began_s if work is not None else 0.0
        if work is None or seconds <= 0:
            return None
        return (work.decided - work.began_with) / seconds

    def _wake(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    async def _turn(self, row: Fanout) -> bool:
        """Take one step of a fan-out; False when there is nothing more to do for it."""
        async with self._turns[_lane(row)]:
            now = await self._fanouts.get(row.key)
            if now is None or now.state != "running":
                self._underway.pop(row.key, None)
                return False
            if self._pauses.now.stops_fanout(row.lane, row.workflow) is not None:
                return False
            try:
                return await self._step(now)
            except (Unavailable, StorageFailed):
                raise
            except Exception as error:
                # One that cannot go on must not stop the others: it waits for an operator.
                logger.exception("fanout_failed", fanout=show_fanout(row.key))
                self._underway.pop(row.key, None)
                reason = f"failed: {type(error).__name__}"
                await self._fanouts.set_state(row.key, "paused", reason, self._clock.now_ms())
                return False

    async def _step(self, row: Fanout) -> bool:
        work = self._underway.get(row.key)
        if work is None:
            work = self._underway[row.key] = await self._take_up(row)
        chunks = self._next(work)
        if chunks:
            outputs = await self._chunks.outputs(work, chunks, self._clock.now_ms())
            await self._log.commit(Step((), outputs), self._follow)
            work.written.update(chunk.place for chunk in chunks)
            work.decided += sum(chunk.members for chunk in chunks)
        while work.cursor < len(work.chunks) and work.chunks[work.cursor].place in work.written:
            work.cursor += 1
        done = work.cursor == len(work.chunks)
        await self._fanouts.claim_advance(
            row.key, cursor=work.cursor, decided=work.decided, done=done
        )
        if done:
            self._underway.pop(row.key, None)
        return not done

    def _next(self, work: Underway) -> list[Chunk]:
        """Return the next chunks: several blocks of the inbox, or one part for each other step."""
        ahead = islice(work.chunks, work.cursor, None)
        waiting = (chunk for chunk in ahead if chunk.place not in work.written)
        chosen: list[Chunk] = []
        for chunk in waiting:
            if chosen and not _together(work.workflow, chosen[0], chunk):
                break
            chosen.append(chunk)
            if len(chosen) == _SHOWN_PER_STEP:
                break
        return chosen

    async def _take_up(self, row: Fanout) -> Underway:
        """Load what stays the same, and read back what is on the log already."""
        event = await self._events.at((row.event_lane, row.event_partition, row.event_position))
        if event is None:
            raise NotFound("the event of this fan-out is not kept any more")
        workflow = await self._workflows.version(row.workflow, row.version, event.content)
        audience = BitMap.deserialize(await self._blobs.get(row.snapshot))
        work = Underway(
            row=row,
            event=event,
            workflow=workflow,
            audience=audience,
            chunks=cut(workflow, audience, handed_max=self._handed_max),
            own=await self._own(event),
            valid=_valid(workflow, event),
            cancelled=await self._cancelled(row, event),
        )
        for record in await records_of(self._log, row):
            work.written.add((record.step, record.block, record.part))
        before = [chunk.members for chunk in work.chunks if chunk.place in work.written]
        work.decided = work.began_with = sum(before)
        work.began_s = self._clock.monotonic()
        return work

    async def _own(self, event: Event) -> BitMap:
        found = await self._recipients.by_id(list(own_data(event)))
        return BitMap(one.number for one in found.values())

    async def _cancelled(self, row: Fanout, event: Event) -> bool:
        if event.cancellation_key is None:
            return False
        claim = Claim(
            fanout_delivery(row.key),
            ROUTE,
            FANOUT,
            0,
            self._clock.now_ms(),
            event.cancellation_key,
            event.time_ms,
            row.lane,
        )
        return (await self._claims.claim([claim]))[0].holder == CANCEL


async def records_of(log: Log, row: Fanout) -> list[Broadcast]:
    """Return the records of *row*'s chunks that are on the log, the first of each chunk."""
    found: dict[tuple[int, int, int], Broadcast] = {}
    for batch in await log.covering(BROADCASTS, 0, accepted_ms(row.event)):
        for record in batch.records:
            if isinstance(record, Broadcast) and record.fanout == row.key:
                found.setdefault((record.step, record.block, record.part), record)
        # What was read may be megabytes: others get their turn in between.
        await asyncio.sleep(0)
    return list(found.values())


def _together(workflow: Workflow, first: Chunk, other: Chunk) -> bool:
    shown = workflow.steps[first.step].channel == INBOX
    if shown:
        return workflow.steps[other.step].channel == INBOX
    return first.place[1:] == other.place[1:]


def _valid(workflow: Workflow, event: Event) -> bool:
    return workflow.check_data is None or not workflow.check_data(msgspec.json.decode(event.data))


def _lane(row: Fanout) -> Lane:
    return next(lane for lane in LANES if lane == row.lane)
