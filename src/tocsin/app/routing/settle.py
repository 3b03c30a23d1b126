"""Who owns each input: the first event of its source and id, the first record of a timer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tocsin.app.routing.inputs import Input, Run, dedup_key, place_token
from tocsin.app.workflows import WorkflowRegistry
from tocsin.domain.reasons import Outcome
from tocsin.domain.records import Event, PlannedRun, Release
from tocsin.domain.workflow import Workflow
from tocsin.ports.state import Deduplication


class Settle:
    """Fills in runs and aliases of a batch."""

    def __init__(self, deduplication: Deduplication, registry: WorkflowRegistry) -> None:
        self._deduplication = deduplication
        self._registry = registry

    async def __call__(self, inputs: Sequence[Input], now_ms: int) -> None:
        """Claim every event × workflow and every release of the batch, in one call."""
        claims: list[tuple[bytes, bytes]] = []
        for entry in inputs:
            record = entry.record
            if isinstance(record, Event):
                names = [key for key, _, _ in record.workflows] or [""]
                claims.extend((dedup_key(record.digest, name), record.key) for name in names)
            elif isinstance(record, Release):
                token = place_token(entry.partition, entry.position)
                claims.append((record.key, token))
        owners = iter(await self._deduplication.claim(claims, now_ms))
        for entry in inputs:
            record = entry.record
            if isinstance(record, Event):
                entry.event = record
                entry.event_position = entry.position
                await self._settle_event(entry, record, _take(record, owners))
            elif isinstance(record, Release):
                token = place_token(entry.partition, entry.position)
                entry.repeat = next(owners) != token

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
            entry.runs.append(Run(await self._workflow(event, key, version), index))
        if entry.aliases and not entry.runs:
            entry.alias_of = entry.aliases[0].owner

    async def _workflow(self, event: Event, key: str, version: int) -> Workflow:
        if event.content is not None:
            return self._registry.by_hand(event.content)
        found = self._registry.cached(key, version)
        return found if found is not None else await self._registry.load(key, version)


def _take(event: Event, owners: Iterator[bytes]) -> list[bytes]:
    return [next(owners) for _ in range(len(event.workflows) or 1)]
