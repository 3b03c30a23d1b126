"""Parts of the engine with one mistake each, of what delivers: see `tests.simulation.broken`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import msgspec
import structlog
from msgspec import structs

from tests.simulation.broken import Broken, CancelTold
from tests.simulation.vendor import CHANNEL, TOKEN, address_of
from tocsin.app.routing.holding import FANOUT
from tocsin.domain.dead_letters import LetterState, Wanted
from tocsin.domain.records import Attempt, Handoff, Retry, Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.ports.log import Batch, Follow, Output, Step
from tocsin.ports.message import Content, Message
from tocsin.ports.outcomes import ProviderOutcome, TryLater
from tocsin.ports.receipts import Callback, Reading
from tocsin.ports.state import Claim, Timer

_LOOKING_MS = 10**15
_HOUR_MS = 3_600_000


class _Rewriting(Broken, ABC):
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

    @abstractmethod
    def _rewritten(self, records: Sequence[Any]) -> Sequence[Any]:
        """Return what is written of outcomes instead."""


class UnwrittenAttempts(_Rewriting):
    """A log to which attempts often do not get before their calls."""

    def _rewritten(self, records: Sequence[Any]) -> Sequence[Any]:
        return [
            each
            for each in records
            if not (isinstance(each, Attempt) and self._dice.random() < 0.3)
        ]


class OldEpochs(_Rewriting):
    """A log in which an owner of before goes on writing."""

    def _rewritten(self, records: Sequence[Any]) -> Sequence[Any]:
        return [
            msgspec.structs.replace(each, epoch=each.epoch - 1)
            if isinstance(each, Attempt) and self._dice.random() < 0.3
            else each
            for each in records
        ]


class LostReceipts(_Rewriting):
    """A log that forgets what was reported."""

    def _rewritten(self, records: Sequence[Any]) -> Sequence[Any]:
        return [each for each in records if not (isinstance(each, Settled) and each.receipt)]


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


class CriticalLast(Broken):
    """A log whose critical events are read as if there were time."""

    async def read(self, topic: str, partition: int, position: int, *, records_max: int) -> Batch:
        if topic == "events.critical":
            await asyncio.sleep(3.0)  # house: allow sleep, three seconds of virtual time
        batch: Batch = await self._real.read(topic, partition, position, records_max=records_max)
        return batch


class Everlasting(Broken):
    """A log whose hand-offs do not expire."""

    async def read(self, topic: str, partition: int, position: int, *, records_max: int) -> Batch:
        batch: Batch = await self._real.read(topic, partition, position, records_max=records_max)
        return replace(batch, records=list(map(_everlasting, batch.records)))


def _everlasting(record: Any) -> Any:
    match record:
        case Handoff():
            return msgspec.structs.replace(record, expires_ms=None)
        case Retry():
            return msgspec.structs.replace(record, handoff=_everlasting(record.handoff))
        case _:
            return record


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
            messages = [structs.replace(each, address=address_of("p9")) for each in messages]
        outcomes: Sequence[ProviderOutcome] = await self._real.send(messages)
        return outcomes


class LostIsRefused(Broken):
    """A provider for which an answer that was lost is a message that was not taken."""

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        outcomes: Sequence[ProviderOutcome] = await self._real.send(messages)
        return [
            structs.replace(each, known=True) if isinstance(each, TryLater) else each
            for each in outcomes
        ]


class OtherWords(Broken):
    """A provider that is now and then given other words."""

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        if self._dice.random() < 0.1:
            messages = [
                structs.replace(each, content=Content(each.content.title, "else"))
                for each in messages
            ]
        outcomes: Sequence[ProviderOutcome] = await self._real.send(messages)
        return outcomes


class SignedByOthers(Broken):
    """A provider that is now and then given somebody else's secret."""

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        if self._dice.random() < 0.1:
            messages = [structs.replace(each, secret="whsec_" + "yranac" * 8) for each in messages]
        outcomes: Sequence[ProviderOutcome] = await self._real.send(messages)
        return outcomes


class Talkative(Broken):
    """A provider that tells the log whom it calls."""

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        structlog.get_logger().info("calling", to=messages[0].address)
        outcomes: Sequence[ProviderOutcome] = await self._real.send(messages)
        return outcomes


class Credulous(Broken):
    """A provider that believes every callback."""

    async def read_callback(self, callback: Callback) -> Reading:
        signed = replace(callback, headers={**callback.headers, "authorization": TOKEN})
        reading: Reading = await self._real.read_callback(signed)
        return reading


class CancelsCalls(CancelTold):
    """
    Claims that let a cancel have what is being called, and what was.

    Its verdict is of all that a person has under the key: one row that is left makes it *partly*.
    """

    async def by_cancellation_key(self, key: str) -> Sequence[Claim]:
        rows: Sequence[Claim] = await self._real.by_cancellation_key(key)
        return [
            row if row.state == FANOUT else msgspec.structs.replace(row, state="pending")
            for row in rows
        ]


class DeafToChoices(Broken):
    """Recipients whose choices are stored and never looked at."""

    async def by_number(self, numbers: Sequence[int]) -> Mapping[int, Any]:
        return _choiceless(await self._real.by_number(numbers))

    async def by_id(self, ids: Sequence[str]) -> Mapping[str, Any]:
        return _choiceless(await self._real.by_id(ids))


def _choiceless(found: Mapping[Any, Any]) -> Mapping[Any, Any]:
    return {key: msgspec.structs.replace(one, preferences=None) for key, one in found.items()}
