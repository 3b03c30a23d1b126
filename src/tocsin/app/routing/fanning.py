"""The start of a fan-out: a snapshot of the audience, and a row with a cursor."""

from __future__ import annotations

import xxhash
from pyroaring import BitMap

from tocsin.app.routing.audiences import Resolved, ids
from tocsin.app.routing.inputs import Input, Run
from tocsin.domain.lanes import Lane
from tocsin.domain.reasons import Outcome
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import PlannedRun
from tocsin.ports.cache import Blobs
from tocsin.ports.state import Fanout, Fanouts, Recipients


class FanoutStarter:
    """Makes fan-outs out of runs whose audience is large."""

    def __init__(self, fanouts: Fanouts, blobs: Blobs, recipients: Recipients) -> None:
        self._fanouts = fanouts
        self._blobs = blobs
        self._recipients = recipients

    async def start(
        self, entry: Input, run: Run, resolved: Resolved, lane: Lane, now_ms: int
    ) -> PlannedRun:
        """
        Write the snapshot, then the row, and return the run that names them.

        The key comes from event and workflow, so starting the same one again changes nothing.
        """
        event = entry.event
        assert event is not None
        key = fanout_key(event.key, run.index)
        audience = resolved.numbers | await self._numbers(resolved)
        snapshot = f"fanout-{key.hex()}"
        await self._blobs.put(snapshot, audience.serialize())
        row = Fanout(
            key=key,
            event=event.key,
            event_lane=lane,
            event_partition=entry.partition,
            event_position=entry.position,
            workflow=run.workflow.key,
            version=run.workflow.version,
            index=run.index,
            lane=lane,
            snapshot=snapshot,
            audience=len(audience),
            created_ms=now_ms,
            changed_ms=now_ms,
        )
        await self._fanouts.claim_create([row])
        outcome = Outcome.ROUTED if audience else Outcome.EMPTY_AUDIENCE
        return PlannedRun(
            run.workflow.key,
            run.workflow.version,
            run.index,
            fanout=key,
            outcome=outcome,
            category=run.workflow.category,
        )

    async def _numbers(self, resolved: Resolved) -> BitMap:
        if not resolved.named:
            return BitMap()
        wanted = ids(resolved.named)
        found = dict(await self._recipients.by_id(wanted))
        missing = [Recipient(0, each) for each in wanted if each not in found]
        if missing:
            found.update((one.id, one) for one in await self._recipients.put(missing))
        return BitMap(one.number for one in found.values())


def fanout_key(event: bytes, index: int) -> bytes:
    """Return 16 bytes that name the fan-out of the event's *index*-th workflow."""
    return xxhash.xxh3_128_digest(event + bytes((index,)))
