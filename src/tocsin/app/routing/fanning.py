"""The start of a fan-out: a snapshot of the audience, and a row with a cursor."""

from __future__ import annotations

import xxhash
from pyroaring import AbstractBitMap, BitMap

from tocsin.app.routing.inputs import Input, Run
from tocsin.domain.ids import fanout_key
from tocsin.domain.lanes import Lane
from tocsin.domain.reasons import Outcome
from tocsin.domain.records import PlannedRun
from tocsin.ports.cache import Blobs
from tocsin.ports.state import Fanout, Fanouts


class FanoutStarter:
    """Makes fan-outs out of runs whose audience is large."""

    def __init__(self, fanouts: Fanouts, blobs: Blobs) -> None:
        self._fanouts = fanouts
        self._blobs = blobs

    async def start(
        self, entry: Input, run: Run, numbers: AbstractBitMap, lane: Lane, now_ms: int
    ) -> PlannedRun:
        """
        Write the snapshot, then the row, and return the run that names them.

        The audience are *numbers* and who is named in the run. The key comes from event and
        workflow, so starting the same one again changes nothing.
        """
        event = entry.event
        assert event is not None
        key = fanout_key(event.key, run.index)
        audience = BitMap(numbers)
        audience.update(one.number for _, one in run.recipients if one is not None)
        if not audience:
            return _planned(run, None, Outcome.EMPTY_AUDIENCE)
        body = audience.serialize()
        # After a crash the audience may be another one: the row that stands has its own snapshot.
        snapshot = f"fanout-{key.hex()}-{xxhash.xxh3_64_hexdigest(body)}"
        await self._blobs.put(snapshot, body)
        row = Fanout(
            key=key,
            event=event.key,
            event_lane=lane,
            event_partition=entry.partition,
            event_position=entry.event_position,
            workflow=run.workflow.key,
            version=run.workflow.version,
            index=run.index,
            lane=lane,
            snapshot=snapshot,
            audience=len(audience),
            created_ms=now_ms,
            changed_ms=now_ms,
            steps=len(run.workflow.steps),
        )
        await self._fanouts.claim_create([row])
        return _planned(run, key, Outcome.ROUTED)


def _planned(run: Run, key: bytes | None, outcome: Outcome) -> PlannedRun:
    return PlannedRun(
        run.workflow.key,
        run.workflow.version,
        run.index,
        fanout=key,
        outcome=outcome,
        category=run.workflow.category,
    )
