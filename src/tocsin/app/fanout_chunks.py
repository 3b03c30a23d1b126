"""One chunk of a fan-out: who gets what, as the records that say so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import xxhash
from pyroaring import BitMap

from tocsin.app.routing.deciding import expiry
from tocsin.app.routing.facts import FactsStep
from tocsin.app.routing.inputs import Input, Run
from tocsin.app.routing.rendering import RunText
from tocsin.domain.case import NO_CHANNEL, Facts
from tocsin.domain.channels import INBOX
from tocsin.domain.chunks import Chunk
from tocsin.domain.fanout import BlockDecision, decide_block, keys_needed
from tocsin.domain.ids import EventKey, delivery_key, notification_key
from tocsin.domain.instants import show_instant
from tocsin.domain.reasons import Reason
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Broadcast, Event, Handoff, Individuals, Record
from tocsin.domain.template_values import RenderFailed
from tocsin.domain.topics import BROADCASTS
from tocsin.domain.workflow import Workflow
from tocsin.ports.log import Log, Output
from tocsin.ports.state import Audiences, Claims, Fanout, Recipients

_INDIVIDUALS_MAX: Final = 500
_NOBODY: Final = Recipient(0, "")
"""Stands for all readers of a text that is the same for each."""


@dataclass(slots=True)
class Underway:
    """A fan-out that is being decided, with what stays the same for all of its chunks."""

    row: Fanout
    event: Event
    workflow: Workflow
    audience: BitMap
    chunks: Sequence[Chunk]
    own: BitMap
    """Who has data that is hers alone: she is decided and rendered one by one."""
    valid: bool
    """Whether the schema takes the event's data."""
    cancelled: bool
    """Whether a cancel has ended all of it."""
    written: set[tuple[int, int, int]] = field(default_factory=set)
    """The chunks that are on the log."""
    cursor: int = 0
    decided: int = 0
    began_s: float = 0.0
    began_with: int = 0

    @property
    def expires_ms(self) -> int | None:
        """The instant of expiry."""
        return expiry(self.event, self.workflow)


class _Decided(NamedTuple):
    """A chunk whose members have their reasons."""

    chunk: Chunk
    by_reason: dict[str, BitMap]
    personal: BitMap
    body: bytes


class ChunkStep:
    """Decides chunks: bitmap algebra for nearly all members, names for the others."""

    def __init__(
        self,
        log: Log,
        audiences: Audiences,
        recipients: Recipients,
        claims: Claims,
        facts: FactsStep,
    ) -> None:
        self._log = log
        self._audiences = audiences
        self._recipients = recipients
        self._claims = claims
        self._facts = facts

    async def outputs(self, work: Underway, chunks: Iterable[Chunk], now_ms: int) -> list[Output]:
        """Return the records of *chunks*, to be made durable together."""
        loaded = await self._facts.load((), (), now_ms, work.row.lane)
        facts = loaded.of(work.workflow, work.event.tenant)
        cancelled = await self._cancelled(work, now_ms)
        made: dict[tuple[str, int], list[Record]] = {}
        for chunk in chunks:
            decided = await self._decide(work, chunk, facts, cancelled)
            handed = await self._handed(work, decided, facts)
            made.setdefault((BROADCASTS, 0), []).append(_broadcast(work, decided, now_ms))
            named = made.setdefault((f"events.{work.row.lane}", work.row.event_partition), [])
            named.extend(_individuals(work, decided))
            topic = f"deliver.{work.workflow.steps[chunk.step].channel}.{work.row.lane}"
            for record in _handoffs(work, chunk, handed, now_ms):
                place = (topic, self._log.partition_of(topic, record.recipient))
                made.setdefault(place, []).append(record)
        return [Output(*place, records) for place, records in made.items() if records]

    async def _cancelled(self, work: Underway, now_ms: int) -> BitMap:
        """Return those of the audience whom a cancel has ended by now."""
        key = work.event.cancellation_key
        if key is None:
            return BitMap()
        found = BitMap()
        for tombstone in (await self._claims.tombstones([key], now_ms)).get(key, ()):
            if tombstone.recipients is None:
                work.cancelled = work.cancelled or tombstone.catches(work.event.time_ms, None)
                continue
            caught = [r for r in tombstone.recipients if tombstone.catches(work.event.time_ms, r)]
            found.update(one.number for one in (await self._recipients.by_id(caught)).values())
        return work.audience if work.cancelled else found

    async def _decide(
        self, work: Underway, chunk: Chunk, facts: Facts, cancelled: BitMap
    ) -> _Decided:
        members = chunk.of(work.audience)
        own = members & work.own
        sets = await self._audiences.sets(keys_needed(work.workflow, chunk.step), chunk.block)
        if facts.workflow_active and not work.valid:
            found = BlockDecision({Reason.INVALID_DATA: members}, BitMap())
            own = BitMap()
        else:
            found = decide_block(
                work.workflow,
                chunk.step,
                members - own,
                sets,
                facts,
                expires_ms=work.expires_ms,
                cancelled=cancelled,
            )
        return _with_text(work, chunk, found, own, facts.now_ms)

    async def _handed(
        self, work: Underway, decided: _Decided, facts: Facts
    ) -> list[tuple[int, int]]:
        """
        Return (recipient, address) of those to be handed over.

        Whoever has changed her address since the sets were read is left to be decided alone.
        """
        channel = work.workflow.steps[decided.chunk.step].channel
        if channel == INBOX:
            return []
        sent = decided.by_reason.get(Reason.SEND, BitMap())
        if not facts.channels.get(channel, NO_CHANNEL).needs_address:
            return [(number, 0) for number in sent]
        pairs = []
        for number, one in (await self._recipients.by_number(list(sent))).items():
            addresses = [each.number for each in one.addresses if each.channel == channel]
            if len(addresses) == 1:
                pairs.append((number, addresses[0]))
        changed = sent - BitMap(number for number, _ in pairs)
        decided.personal.update(changed)
        sent -= changed
        return pairs


def _with_text(
    work: Underway, chunk: Chunk, found: BlockDecision, own: BitMap, now_ms: int
) -> _Decided:
    by_reason: dict[str, BitMap] = {str(reason): who for reason, who in found.by_reason.items()}
    personal = found.personal | own
    step = work.workflow.steps[chunk.step]
    if step.channel != INBOX or step.personal or Reason.SEND not in by_reason:
        return _Decided(chunk, by_reason, personal, b"")
    run = Run(work.workflow, work.row.index)
    text = RunText(Input(0, 0, 0, work.event, work.event), run, show_instant(now_ms))
    try:
        body = text.contents[text.place(step, _NOBODY)]
    except RenderFailed:
        by_reason[Reason.RENDER_FAILED] = by_reason.pop(Reason.SEND)
        body = b""
    return _Decided(chunk, by_reason, personal, body)


def _broadcast(work: Underway, decided: _Decided, now_ms: int) -> Broadcast:
    row, chunk = work.row, decided.chunk
    step = work.workflow.steps[chunk.step]
    return Broadcast(
        fanout=row.key,
        event=row.event,
        workflow=row.workflow,
        version=row.version,
        index=row.index,
        step=chunk.step,
        channel=step.channel,
        category=work.workflow.category,
        lane=row.lane,
        block=chunk.block,
        visible_ms=now_ms,
        by_reason=_packed(decided.by_reason),
        body=decided.body,
        event_place=(row.event_lane, row.event_partition, row.event_position),
        personal=step.personal,
        expires_ms=work.expires_ms,
        trace=work.event.trace,
        part=chunk.part,
    )


def _packed(by_reason: Mapping[str, BitMap]) -> dict[str, bytes]:
    packed = {}
    for reason, members in by_reason.items():
        if members:
            members.run_optimize()
            packed[reason] = members.serialize()
    return packed


def _individuals(work: Underway, decided: _Decided) -> Iterator[Individuals]:
    row, chunk = work.row, decided.chunk
    numbers = tuple(decided.personal)
    for first in range(0, len(numbers), _INDIVIDUALS_MAX):
        name = repr((*chunk.place, first)).encode()
        yield Individuals(
            key=xxhash.xxh3_128_digest(row.key + name),
            event=row.event,
            event_lane=row.event_lane,
            event_partition=row.event_partition,
            event_position=row.event_position,
            workflow_index=row.index,
            step=chunk.step,
            recipients=numbers[first : first + _INDIVIDUALS_MAX],
            trace=work.event.trace,
        )


def _handoffs(
    work: Underway, chunk: Chunk, handed: Sequence[tuple[int, int]], now_ms: int
) -> Iterator[Handoff]:
    row, event, expires_ms = work.row, EventKey(work.row.event), work.expires_ms
    for number, address in handed:
        notification = notification_key(event, row.index, number)
        yield Handoff(
            delivery=delivery_key(notification, chunk.step, address),
            event_lane=row.event_lane,
            event_partition=row.event_partition,
            event_position=row.event_position,
            recipient=number,
            workflow=row.workflow,
            version=row.version,
            step=chunk.step,
            address=address,
            planned_ms=now_ms,
            expires_ms=expires_ms,
            trace=work.event.trace,
            producer=work.event.producer,
        )
