"""Right before the call: is it still to be made, to whom, by whom, with which words?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from tocsin.app.addresses import AddressBook
from tocsin.app.delivering.about import about
from tocsin.app.delivering.choosing import Choosing
from tocsin.app.delivering.pausing import waits
from tocsin.app.delivering.providers import Wired
from tocsin.app.delivering.rates import Way
from tocsin.app.delivering.superseding import supersede
from tocsin.app.delivering.taking import Taking
from tocsin.app.delivering.texts import Texts
from tocsin.app.delivering.turnstiles import Pass, Turnstiles
from tocsin.app.delivering.work import Ended, Work
from tocsin.app.followed_links import FollowedLinks
from tocsin.app.leaving import LeaveLinks, Leaving
from tocsin.app.lookup import EventLookup, EventPlace
from tocsin.app.routing.audiences import AudienceStep
from tocsin.app.routing.deciding import step_at
from tocsin.app.routing.facts import BatchFacts, FactsStep
from tocsin.app.routing.last_known import LastKnown
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.domain.case import Case, target
from tocsin.domain.channels import BADGED, FOLLOWED, LINKED
from tocsin.domain.decide import decide_target
from tocsin.domain.decision import Decision
from tocsin.domain.delivery import DeliveryReason, State
from tocsin.domain.ids import show_delivery
from tocsin.domain.reasons import Reason, Verdict
from tocsin.domain.template_values import RenderFailed
from tocsin.domain.workflow import Workflow
from tocsin.errors import NotFound, RequestRefused, StorageFailed, Unavailable
from tocsin.ports.message import Message
from tocsin.ports.outcomes import ProviderReason
from tocsin.ports.provider import Channel
from tocsin.ports.state import Standings

logger = structlog.get_logger(__name__)

_SEND: Final = Verdict.SEND
_STATES: Final = {
    Verdict.SUPPRESS: State.SUPPRESSED,
    Verdict.DEFER: State.DEFERRED,
    Verdict.EXPIRE: State.EXPIRED,
    Verdict.CANCEL: State.CANCELLED,
}


Unseen = Callable[[Sequence[int], int], Awaitable[Mapping[int, int]]]
"""Takes recipients and the time, and returns how many items of hers each has not seen."""


@dataclass(frozen=True, slots=True)
class PrepareParts:
    """What the step looks at."""

    events: EventLookup
    known: LastKnown
    audiences: AudienceStep
    facts: FactsStep
    workflows: RunWorkflows
    book: AddressBook
    taking: Taking
    links: LeaveLinks
    unseen: Unseen
    standings: Standings
    followed: FollowedLinks


class PrepareStep:
    """Decides a batch anew, in full, and fills in the messages of those that may go now."""

    def __init__(
        self, parts: PrepareParts, channel: Channel, choosing: Choosing, turnstiles: Turnstiles
    ) -> None:
        self._parts = parts
        self._channel = channel
        self._follows = channel.name in FOLLOWED
        self._choosing = choosing
        self._turnstiles = turnstiles

    async def __call__(self, works: Sequence[Work], now_ms: int) -> None:
        """
        Give each of *works* its message and a pass, or how it ended, or neither.

        Neither: it is to be made and has to wait for its provider (``way``). In few bulk reads,
        however many there are.
        """
        if not works:
            return
        facts = await self._load(works, now_ms)
        texts = Texts(self._channel, self._parts.audiences)
        deciding = [work for work in works if work.ended is None]
        _each(deciding, partial(self._decide, facts, now_ms))
        self._let_pass([work for work in deciding if work.ended is None], now_ms)
        passing = [work for work in works if work.ended is None and work.passed is not None]
        self._turnstiles.count_addresses([(work.way, work.opened) for work in passing], now_ms)
        badges = await self._badges(passing, now_ms)
        _each(passing, partial(self._fill, texts, badges))
        await supersede(passing, self._parts.standings, now_ms)
        await self._parts.taking.take(works, now_ms)

    async def _load(self, works: Sequence[Work], now_ms: int) -> BatchFacts:
        parts = self._parts
        places = [_event_place(work) for work in works]
        events = await parts.events(places)
        lane = works[0].handoff.event_lane
        people, _ = await parts.known.by_number(list({w.handoff.recipient for w in works}), lane)
        workflows: dict[tuple[str, int, bytes | None], Workflow | None] = {}
        for work, place in zip(works, places, strict=True):
            work.event = event = events.get(place)
            work.recipient = people.get(work.handoff.recipient)
            if event is None:
                work.ended = Ended(State.FAILED, DeliveryReason.EVENT_GONE)
                continue
            key = (work.handoff.workflow, work.handoff.version, event.content)
            if key not in workflows:
                workflows[key] = await self._workflow(*key)
            work.workflow = workflows[key]
            if work.workflow is None:
                work.ended = Ended(State.FAILED, DeliveryReason.NOT_PREPARED, "workflow")
        keys = {event.cancellation_key for event in events.values()} - {None}
        return await parts.facts.load(
            list(people.values()), sorted(key for key in keys if key is not None), now_ms, lane
        )

    async def _workflow(self, key: str, version: int, content: bytes | None) -> Workflow | None:
        """Return the version that the run began with, once for all of the batch."""
        try:
            return await self._parts.workflows.version(key, version, content)
        except NotFound:
            return None

    def _decide(self, facts: BatchFacts, now_ms: int, work: Work) -> None:
        """Ask every gate again, as of now; what passes has its address and its way."""
        event, handoff, workflow, recipient = (
            work.event,
            work.handoff,
            work.workflow,
            work.recipient,
        )
        assert event is not None
        assert workflow is not None
        case = Case(
            workflow=workflow,
            recipient=recipient,
            facts=facts.of(workflow, event.tenant),
            expires_ms=handoff.expires_ms,
            cancelled=recipient is not None and facts.cancelled(event, recipient.id),
        )
        # What is decided on is let go of at once, and makes room for the next one.
        found = target(case, step_at(workflow, handoff.step), handoff.address)
        decision = decide_target(found)
        if decision.verdict is not _SEND:
            work.ended = _ended(decision, work)
            return
        work.step, work.address = found.step, found.address
        address = found.address
        assert recipient is not None
        assert address is not None
        try:
            work.opened = self._channel.check_address(self._parts.book.open(recipient, address))
        except RequestRefused as refused:
            work.ended = Ended(State.FAILED, ProviderReason.BAD_ADDRESS, refused.code)
            return
        chosen = self._choosing.choose(work, facts.pauses, now_ms)
        if chosen.pause is not None:
            work.ended = waits(work, chosen.pause)
        elif chosen.wired is not None:
            work.route, work.considered = chosen.route, chosen.considered
            self._go(work, chosen.wired, chosen.way, now_ms)
        elif work.history.bound is not None:
            work.ended = Ended(State.FAILED, DeliveryReason.OUTCOME_UNKNOWN)
        else:
            work.ended = Ended(State.SUPPRESSED, Reason.CHANNEL_NOT_CONFIGURED)

    def _go(self, work: Work, wired: Wired, way: Way | None, now_ms: int) -> None:
        rested_ms = self._turnstiles.rested_ms(wired, work.opened, now_ms)
        if rested_ms is None:
            work.wired, work.way = wired, way
        else:
            busy = DeliveryReason.PROVIDER_BUSY
            work.ended = Ended(State.DEFERRED, busy, "for this address", rested_ms)

    def _let_pass(self, works: Sequence[Work], now_ms: int) -> None:
        """Ask the turnstiles, once for each way."""
        waiting: defaultdict[Way, list[Work]] = defaultdict(list)
        for work in works:
            if work.way is None:
                continue
            passed = work.passed
            if passed is not None:
                # Since then the store may have been away, and the provider after it.
                if passed.way == work.way and self._turnstiles.holds(passed):
                    continue
                self._turnstiles.give_back([passed])
                work.passed = None
            waiting[work.way].append(work)
        for way, some in waiting.items():
            admitted, generation = self._turnstiles.admit(way, len(some), now_ms)
            new = Pass(way, generation)
            for work in some[:admitted]:
                work.passed = new

    async def _badges(self, works: Sequence[Work], now_ms: int) -> dict[int, int]:
        """Return how many items each recipient has not seen, where the channel shows a number."""
        if not works or self._channel.name not in BADGED:
            return {}
        people = list({work.handoff.recipient for work in works})
        return {**dict.fromkeys(people, 0), **await self._parts.unseen(people, now_ms)}

    def _fill(self, texts: Texts, badges: Mapping[int, int], work: Work) -> None:
        event, handoff, workflow = work.event, work.handoff, work.workflow
        recipient, step, address, wired = work.recipient, work.step, work.address, work.wired
        assert event is not None
        assert workflow is not None
        assert recipient is not None
        assert step is not None
        assert address is not None
        assert wired is not None
        own = texts.own(event, workflow, recipient)
        try:
            content = texts.content(event, workflow, step, recipient, own)
            options = texts.options(event, step, recipient, wired.name, own)
            if self._follows:
                followed = self._parts.followed
                content = followed.content(content, handoff.delivery, workflow, recipient)
        except RenderFailed as error:
            work.ended = Ended(State.SUPPRESSED, Reason.RENDER_FAILED, str(error))
            return
        # Of more than 15 names a call makes a dictionary first, which costs more than the message.
        work.message = Message(
            show_delivery(handoff.delivery),
            work.opened,
            content,
            self._parts.book.open_secret(recipient, address),
            address.app,
            trace=handoff.trace,
            expires_ms=handoff.expires_ms,
            category=workflow.category,
            unsubscribe=self._leave_link(work, workflow),
            about=about(event, handoff, recipient.id, texts.data(event, own)),
            lane=workflow.lane,
            options=options,
            badge=badges.get(handoff.recipient),
            registered_ms=address.registered_ms or None,
            acknowledge=workflow.awaits_acknowledgement(handoff.step),
            attempt=work.number,
            locale=recipient.locale,
        )
        if work.way is not None:
            self._turnstiles.count_parts(work.way, work.message)

    def _leave_link(self, work: Work, workflow: Workflow) -> str | None:
        """Return where the recipient switches this off; nobody switches off what is required."""
        channel = self._channel.name
        if channel not in LINKED or workflow.required:
            return None
        return self._parts.links.url(Leaving(work.handoff.recipient, channel, workflow.category))


def _each(works: Sequence[Work], make: Callable[[Work], None]) -> None:
    """Call *make* for each; one that breaks the code fails alone."""
    for work in works:
        try:
            make(work)
        except (Unavailable, StorageFailed):
            raise
        except Exception as error:  # noqa: BLE001  # whatever a record may bring about
            # Not the error's own words, which might hold an address.
            detail = type(error).__name__
            logger.error("deliver_poison", delivery=show_delivery(work.delivery), error=detail)
            work.message = None
            work.ended = Ended(State.FAILED, DeliveryReason.NOT_PREPARED, detail)


def _ended(decision: Decision, work: Work) -> Ended:
    if decision.verdict is Verdict.CANCEL and work.history.bound is not None:
        # Somebody may have it, so it is not cancelled; nor is it sent again.
        return Ended(State.FAILED, DeliveryReason.OUTCOME_UNKNOWN, decision.rule)
    state = _STATES[decision.verdict]
    return Ended(state, decision.reason, decision.rule, decision.until_ms)


def _event_place(work: Work) -> EventPlace:
    handoff = work.handoff
    return handoff.event_lane, handoff.event_partition, handoff.event_position
