"""``GET /v1/explain``: what happened to one recipient by one event, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import RecipientId, shown_time
from tocsin.api.shown_history import (
    AttemptAnswer,
    EngagementAnswer,
    show_attempt,
    show_engagement,
)
from tocsin.app.history.explain import Explainer, Explanation
from tocsin.domain.decision import GateResult
from tocsin.domain.durations import format_duration
from tocsin.domain.explain import AudienceStep, Delivery, Run, Waiting
from tocsin.domain.ids import read_event, show_delivery, show_event, show_fanout, show_notification
from tocsin.errors import RequestRefused


class ExplainQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The event by its id, or by source and id."""

    recipient: RecipientId
    event: Annotated[str, Meta(max_length=64)] | None = None
    source: Annotated[str, Meta(min_length=1, max_length=1_024)] | None = None
    id: Annotated[str, Meta(min_length=1, max_length=1_024)] | None = None


class GateAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One gate: what it looked at, what it said, by which rule."""

    gate: str
    passed: bool
    inputs: dict[str, Any]
    rule: str
    reason: str | None
    until: str | None


class AudienceAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One term of the audience, as of the time of the decision."""

    member: bool
    by: str
    rule: str
    detail: str
    excluded: bool


class ExplainedDelivery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One delivery: what was decided, by which gates, and what it came to."""

    id: str
    step: int
    channel: str
    address: int
    decided: str
    rule: str
    decided_at: str | None
    state: str
    reason: str
    at: str | None
    waits_until: str | None
    recomputed_differs: bool
    gates: list[GateAnswer]
    attempts: list[AttemptAnswer]
    engagement: EngagementAnswer | None


class WaitingAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    The delay or wait that the rest of the run stands before.

    ``until`` is null while its time does not run yet: something that was sent has not settled.
    """

    unless: str | None
    duration: str
    until: str | None
    next: str
    """The name of the step that follows."""


class ExplainedRun(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    One workflow of the event.

    ``facts_away`` names what could not be read when it was decided: the last known of it counted.
    """

    workflow: str
    version: int
    lane: str
    outcome: str
    detail: str
    notification: str | None
    profile_version: int | None
    fanout: str | None
    alias_of: str | None
    audience: list[AudienceAnswer]
    audience_differs: bool
    facts_away: list[str]
    waiting: WaitingAnswer | None
    deliveries: list[ExplainedDelivery]


class ExplainAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    One sentence that is true, and what it rests on.

    ``recomputed_differs`` says that what is stored now would give another answer than the one that
    was recorded when it was decided; the record is what happened.
    """

    sentence: str
    outcome: str
    event: str | None
    recipient: str
    recipient_known: bool
    alias_of: str | None
    recomputed_differs: bool
    runs: list[ExplainedRun]


class ExplainRoutes:
    """The handler of ``/v1/explain``."""

    def __init__(self, explainer: Explainer) -> None:
        self._explainer = explainer

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the route."""
        return (
            Endpoint(
                "GET",
                "/v1/explain",
                "Explain what happened to a recipient by an event, and why",
                self.explain,
                {200: ExplainAnswer},
                query=ExplainQuery,
            ),
        )

    async def explain(self, call: Call) -> Answer:
        """Answer; an event that is not known here is an answer, too."""
        query = call.query(ExplainQuery)
        if query.event is not None and query.source is None and query.id is None:
            found = await self._explainer(read_event(query.event), query.recipient)
        elif query.event is None and query.source is not None and query.id is not None:
            found = await self._explainer.by_source(query.source, query.id, query.recipient)
        else:
            raise RequestRefused("name the event by `event`, or by `source` and `id` together")
        return Answer(_show(found))


def _show(found: Explanation) -> ExplainAnswer:
    runs = [_run(run) for run in found.runs]
    return ExplainAnswer(
        sentence=found.sentence,
        outcome=found.outcome,
        event=None if found.event is None else show_event(found.event),
        recipient=found.recipient,
        recipient_known=found.known,
        alias_of=None if found.alias_of is None else show_event(found.alias_of),
        recomputed_differs=any(
            run.audience_differs or any(each.recomputed_differs for each in run.deliveries)
            for run in runs
        ),
        runs=runs,
    )


def _run(run: Run) -> ExplainedRun:
    return ExplainedRun(
        workflow=run.workflow,
        version=run.version,
        lane=run.lane,
        outcome=run.outcome,
        detail=run.detail,
        notification=None if run.notification is None else show_notification(run.notification),
        profile_version=run.profile_version,
        fanout=None if run.fanout is None else show_fanout(run.fanout),
        alias_of=None if run.alias_of is None else show_event(run.alias_of),
        audience=[_audience(step) for step in run.audience],
        audience_differs=run.audience_differs,
        facts_away=list(run.facts_away),
        waiting=None if run.waiting is None else _waiting(run.waiting),
        deliveries=[_delivery(each) for each in run.deliveries],
    )


def _waiting(waiting: Waiting) -> WaitingAnswer:
    return WaitingAnswer(
        unless=waiting.unless or None,
        duration=format_duration(waiting.for_ms),
        until=shown_time(waiting.until_ms),
        next=waiting.next,
    )


def _audience(step: AudienceStep) -> AudienceAnswer:
    return AudienceAnswer(
        member=step.member,
        by=step.by,
        rule=step.rule,
        detail=step.detail,
        excluded=step.excluded,
    )


def _delivery(delivery: Delivery) -> ExplainedDelivery:
    decision = delivery.decision
    return ExplainedDelivery(
        id=show_delivery(delivery.delivery),
        step=decision.step,
        channel=decision.channel,
        address=decision.address,
        decided=decision.verdict.name.lower(),
        rule=decision.rule,
        decided_at=shown_time(delivery.decided_ms),
        state=delivery.state,
        reason=delivery.reason,
        at=shown_time(delivery.at_ms),
        waits_until=shown_time(delivery.waits_until_ms),
        recomputed_differs=delivery.recomputed_differs,
        gates=[_gate(each) for each in delivery.gates],
        attempts=[show_attempt(each) for each in delivery.trail],
        engagement=show_engagement(delivery.engagement),
    )


def _gate(gate: GateResult) -> GateAnswer:
    return GateAnswer(
        gate=gate.gate,
        passed=gate.passed,
        inputs=gate.inputs,
        rule=gate.rule,
        reason=gate.reason,
        until=shown_time(gate.until_ms),
    )
