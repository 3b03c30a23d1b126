"""Parts of the engine with one mistake each, of what delivers: see `tests.simulation.broken`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import msgspec

from tests.simulation.broken import Broken
from tests.simulation.vendor import CHANNEL
from tocsin.domain.dead_letters import LetterState, Wanted
from tocsin.domain.records import Attempt, Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.ports.log import Batch, Follow, Output, Step
from tocsin.ports.message import Message
from tocsin.ports.outcomes import ProviderOutcome, TryLater
from tocsin.ports.state import Timer

_LOOKING_MS = 10**15
_HOUR_MS = 3_600_000


class _Rewriting(Broken):
    """A log that does not write quite what it is given about deliveries."""

    async def commit(self, step: Step, follow: Follow | None = None) -> Sequence[Batch]:
        outputs = [self._changed(output) for output in step.outputs]
        changed = Step(step.sources, [each for each in outputs if each.records])
        batches: Sequence[Batch] = await self._real.commit(changed, follow)
        return batches

    def _changed(self, output: Output) -> Output:
        if output.topic != OUTCOMES:
            return output
        return Output(output.topic, output.partition, self._rewritten(output.records))

    def _rewritten(self, records: Sequence[Any]) -> Sequence[Any]:
        raise NotImplementedError


class UnwrittenAttempts(_Rewriting):
    """A log to which attempts often do not get before their calls."""

    def _rewritten(self, records: Sequence[Any]) -> Sequence[Any]:
        return [
            each
            for each in records
            if not (isinstance(each, Attempt) and self._dice.random() < 0.3)
        ]


class LostOutcomes(_Rewriting):
    """A log that now and then loses how a call ended."""

    def _rewritten(self, records: Sequence[Any]) -> Sequence[Any]:
        return [
            each
            for each in records
            if not (isinstance(each, Settled) and self._dice.random() < 0.1)
        ]


class RepeatedOutcomes(_Rewriting):
    """A log that writes an old outcome again, after later ones."""

    def __init__(self, real: Any, dice: Random) -> None:
        super().__init__(real, dice)
        self._old: list[Settled] = []

    def _rewritten(self, records: Sequence[Any]) -> Sequence[Any]:
        again, self._old = self._old, []
        self._old = [each for each in records if isinstance(each, Settled) and each.until_ms]
        return [*records, *again]


class Backwards(Broken):
    """A log whose hand-offs are read the last one first."""

    async def read(self, topic: str, partition: int, position: int, *, records_max: int) -> Batch:
        batch: Batch = await self._real.read(topic, partition, position, records_max=records_max)
        if not topic.startswith(f"deliver.{CHANNEL}"):
            return batch
        return Batch(batch.topic, batch.partition, batch.position, list(batch.records)[::-1])


class EarlyTimers(Broken):
    """Timers that are due an hour before their time."""

    async def due(self, now_ms: int, limit: int) -> Sequence[Timer]:
        early_ms = now_ms + _HOUR_MS if now_ms < _LOOKING_MS else now_ms
        timers: Sequence[Timer] = await self._real.due(early_ms, limit)
        return timers


class UnretiredLetters(Broken):
    """Dead letters that are often still to be replayed when they have been."""

    async def move(self, marks: Any, before: Any, after: Any, **how: Any) -> Sequence[int]:
        if after is LetterState.REPLAYED and self._dice.random() < 0.7:
            return ()
        moved: Sequence[int] = await self._real.move(marks, before, after, **how)
        return moved


class UnaskedLetters(Broken):
    """Dead letters that are replayed although nobody asks."""

    async def first(self, wanted: Wanted, edge: int, limit: int) -> Sequence[Any]:
        if wanted.state is LetterState.REPLAYING:
            wanted = msgspec.structs.replace(wanted, state=LetterState.WAITING)
        letters: Sequence[Any] = await self._real.first(wanted, edge, limit)
        return letters


class OverlooksOutcomes(Broken):
    """A ledger that now and then overlooks how a delivery ended."""

    def prepare(self, batches: Sequence[Batch]) -> Any:
        return self._real.prepare([self._some(batch) for batch in batches])

    async def write(self, batches: Sequence[Batch]) -> None:
        await self._real.write([self._some(batch) for batch in batches])

    def _some(self, batch: Batch) -> Batch:
        records: list[Any] = [
            None if isinstance(each, Settled) and self._dice.random() < 0.1 else each
            for each in batch.records
        ]
        return Batch(batch.topic, batch.partition, batch.position, records)


class NobodyGone(Broken):
    """Those who were erased, of whom nobody is told."""

    def __contains__(self, number: object) -> bool:
        return False


class KeptAlive(Broken):
    """Recipients whom an erasure does not reach."""

    async def put(self, recipients: Sequence[Any]) -> Sequence[Any]:
        stored: Sequence[Any] = await self._real.put([r for r in recipients if not r.erased])
        return stored


class ElsewhereCalled(Broken):
    """A provider that is now and then given another's address."""

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        if self._dice.random() < 0.1:
            messages = [replace(each, address="chat-p9") for each in messages]
        outcomes: Sequence[ProviderOutcome] = await self._real.send(messages)
        return outcomes


class LostIsRefused(Broken):
    """A provider for which an answer that was lost is a message that was not taken."""

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        outcomes: Sequence[ProviderOutcome] = await self._real.send(messages)
        return [
            replace(each, known=True) if isinstance(each, TryLater) else each for each in outcomes
        ]
