"""Who owns each input: the first event of its source and id, the first record of a timer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tocsin.app.routing.inputs import Input, Run, dedup_key, place_token
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.domain.reasons import Outcome
from tocsin.domain.records import LATER_INPUTS, Event, PlannedRun
from tocsin.ports.state import Deduplication


class Settle:
    """Fills in runs and aliases of a batch."""

    def __init__(self, deduplication: Deduplication, workflows: RunWorkflows) -> None:
        self._deduplication = deduplication
        self._workflows = workflows

    async def __call__(self, inputs: Sequence[Input], now_ms: int) -> None:
        """Claim every event × workflow, and every release and the like, in one call."""
        claims: list[tuple[bytes, bytes]] = []
        for entry in inputs:
            record = entry.record
            if isinstance(record, Event):
                claims += _claims(record)
            elif isinstance(record, LATER_INPUTS):
                token = place_token(entry.partition, entry.position)
                claims.append((record.key, token))
        owners = iter(await self._deduplication.claim(claims, now_ms))
        for entry in inputs:
            record = entry.record
            if isinstance(record, Event):
                entry.event = record
                entry.event_position = entry.position
                if not self._settle_alone(entry, record, owners):
                    await self._settle_event(entry, record, _take(record, owners))
            elif isinstance(record, LATER_INPUTS):
                token = place_token(entry.partition, entry.position)
                entry.repeat = next(owners) != token

    def _settle_alone(self, entry: Input, event: Event, owners: Iterator[bytes]) -> bool:
        """Settle the usual case, one workflow that is at hand, without a coroutine of its own."""
        if len(event.workflows) != 1 or event.content is not None:
            return False
        key, version, index = event.workflows[0]
        workflow = self._workflows.at_hand(key, version)
        if workflow is None:
            return False
        owner = next(owners)
        if owner == event.key:
            entry.runs.append(Run(workflow, index))
        else:
            alias = PlannedRun(key, version, index, outcome=Outcome.ALIAS, owner=owner)
            entry.aliases.append(alias)
            entry.alias_of = owner
        return True

    async def _settle_event(self, entry: Input, event: Event, owners: list[bytes]) -> None:
        if not event.workflows:
            if owners[0] != event.key:
                entry.alias_of = owners[0]
            return
        for (key, version, index), owner in zip(event.workflows, owners, strict=True):
            if owner != event.key:
                entry.aliases.append(
                    PlannedRun(key, version, index, outcome=Outcome.ALIAS, owner=owner)
                )
                continue
            workflow = await self._workflows.version(key, version, event.content)
            entry.runs.append(Run(workflow, index))
        if entry.aliases and not entry.runs:
            entry.alias_of = entry.aliases[0].owner


def _claims(event: Event) -> list[tuple[bytes, bytes]]:
    if len(event.workflows) == 1:
        return [(dedup_key(event.digest, event.workflows[0][0]), event.key)]
    names = [key for key, _, _ in event.workflows] or [""]
    return [(dedup_key(event.digest, name), event.key) for name in names]


def _take(event: Event, owners: Iterator[bytes]) -> list[bytes]:
    return [next(owners) for _ in range(len(event.workflows) or 1)]
