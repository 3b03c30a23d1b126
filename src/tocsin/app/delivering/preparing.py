"""Right before the call: is it still to be made, to whom, with which words?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from tocsin.app.addresses import AddressBook
from tocsin.app.delivering.about import about
from tocsin.app.delivering.pausing import carrier, waits
from tocsin.app.delivering.providers import Fleet
from tocsin.app.delivering.taking import Taking
from tocsin.app.delivering.texts import Texts
from tocsin.app.delivering.work import Ended, Work
from tocsin.app.lookup import with_payload
from tocsin.app.routing.audiences import AudienceStep
from tocsin.app.routing.deciding import step_at
from tocsin.app.routing.facts import BatchFacts, FactsStep
from tocsin.app.routing.inputs import Input, Run
from tocsin.app.routing.last_known import LastKnown
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.domain.case import Case, target
from tocsin.domain.decide import decide_step
from tocsin.domain.decision import Decision
from tocsin.domain.delivery import DeliveryReason, State
from tocsin.domain.ids import NotificationKey, notification_parts, show_delivery
from tocsin.domain.lanes import Lane
from tocsin.domain.reasons import Reason, Verdict
from tocsin.domain.records import Event
from tocsin.domain.template_values import RenderFailed
from tocsin.errors import RequestRefused, StorageFailed, Unavailable
from tocsin.ports.cache import Blobs
from tocsin.ports.log import Log
from tocsin.ports.provider import Channel, Message, ProviderReason

logger = structlog.get_logger(__name__)

_STATES: Final = {
    Verdict.SUPPRESS: State.SUPPRESSED,
    Verdict.DEFER: State.DEFERRED,
    Verdict.EXPIRE: State.EXPIRED,
    Verdict.CANCEL: State.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class PrepareParts:
    """What the step looks at."""

    log: Log
    blobs: Blobs
    known: LastKnown
    audiences: AudienceStep
    facts: FactsStep
    workflows: RunWorkflows
    book: AddressBook
    fleet: Fleet
    taking: Taking


class PrepareStep:
    """Decides a batch anew, in full, and fills in the messages of those that pass."""

    def __init__(self, parts: PrepareParts, channel: Channel, lane: Lane) -> None:
        self._parts = parts
        self._channel = channel
        self._lane = lane

    async def __call__(self, works: Sequence[Work], now_ms: int) -> None:
        """Give each of *works* its message and provider, or how it ended. In four bulk reads."""
        if not works:
            return
        facts = await self._load(works, now_ms)
        texts = Texts(self._channel, self._parts.audiences)
        for work in works:
            if work.ended is None:
                await self._one(work, facts, texts)
        await self._parts.taking.take(works, now_ms)

    async def _one(self, work: Work, facts: BatchFacts, texts: Texts) -> None:
        """A delivery that breaks the code fails alone: the others are made."""
        try:
            await self._prepare(work, facts, texts)
        except (Unavailable, StorageFailed):
            raise
        except Exception as error:  # noqa: BLE001  # whatever a record may bring about
            # Not the error's own words, which might hold an address.
            detail = type(error).__name__
            logger.error(
                "deliver_poison", delivery=show_delivery(work.delivery), error=detail
            )  # as above
            work.message = None
            work.ended = Ended(State.FAILED, DeliveryReason.NOT_PREPARED, detail)

    async def _load(self, works: Sequence[Work], now_ms: int) -> BatchFacts:
        parts = self._parts
        events = await self._events(works)
        lane = works[0].handoff.event_lane
        people, _ = await parts.known.by_number(list({w.handoff.recipient for w in works}), lane)
        for work in works:
            work.event = events.get(_event_place(work))
            work.recipient = people.get(work.handoff.recipient)
            if work.event is None:
                work.ended = Ended(State.FAILED, DeliveryReason.EVENT_GONE)
        keys = {event.cancellation_key for event in events.values()} - {None}
        return await parts.facts.load(
            list(people.values()), sorted(key for key in keys if key is not None), now_ms, lane
        )

    async def _events(self, works: Sequence[Work]) -> Mapping[tuple[str, int, int], Event]:
        found = await self._parts.log.pick(list({_event_place(work) for work in works}))
        return {
            place: await with_payload(record, self._parts.blobs)
            for place, record in found.items()
            if isinstance(record, Event)
        }

    async def _prepare(self, work: Work, facts: BatchFacts, texts: Texts) -> None:
        event, handoff = work.event, work.handoff
        assert event is not None
        parts = self._parts
        workflow = await parts.workflows.version(handoff.workflow, handoff.version, event.content)
        recipient = work.recipient
        case = Case(
            workflow=workflow,
            recipient=recipient,
            facts=facts.of(workflow, event.tenant),
            expires_ms=handoff.expires_ms,
            cancelled=recipient is not None and facts.cancelled(event, recipient.id),
        )
        step = step_at(workflow, handoff.step)
        decision = decide_step(case, handoff.step, handoff.address)
        if decision.verdict is not Verdict.SEND:
            work.ended = _ended(decision)
            return
        address = target(case, step, handoff.address).address
        assert recipient is not None
        assert address is not None
        work.wired, pause = carrier(parts.fleet, facts.pauses, self._lane, work, address)
        if work.wired is None:
            work.ended = Ended(State.SUPPRESSED, Reason.CHANNEL_NOT_CONFIGURED)
            return
        if pause is not None:
            work.ended = waits(work, pause)
            return
        index = notification_parts(NotificationKey(handoff.delivery[:16])).workflow_index
        entry = Input(
            handoff.event_partition, handoff.event_position, handoff.event_position, event, event
        )
        run = Run(workflow, index)
        try:
            content = texts.content(entry, run, step, recipient)
            opened = self._channel.check_address(parts.book.open(recipient, address))
        except RenderFailed as error:
            work.ended = Ended(State.SUPPRESSED, Reason.RENDER_FAILED, str(error))
        except RequestRefused as refused:
            work.ended = Ended(State.FAILED, ProviderReason.BAD_ADDRESS, refused.code)
        else:
            work.message = Message(
                reference=show_delivery(handoff.delivery),
                address=opened,
                content=content,
                secret=parts.book.open_secret(recipient, address),
                app=address.app,
                trace=handoff.trace,
                expires_ms=handoff.expires_ms,
                category=workflow.category,
                about=about(event, handoff, recipient.id, texts.data(entry, run, recipient)),
            )


def _ended(decision: Decision) -> Ended:
    state = _STATES[decision.verdict]
    return Ended(state, decision.reason, decision.rule, decision.until_ms)


def _event_place(work: Work) -> tuple[str, int, int]:
    handoff = work.handoff
    return f"events.{handoff.event_lane}", handoff.event_partition, handoff.event_position
