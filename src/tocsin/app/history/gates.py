"""The gates computed again, from the versions that a plan names and what else was stored then."""

from __future__ import annotations

from collections.abc import Mapping

from tocsin.app.routing.facts import BatchFacts
from tocsin.app.routing.inputs import Input, data_of
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.domain.case import Case, ChannelFacts
from tocsin.domain.decide import trace
from tocsin.domain.decision import Decision, GateResult
from tocsin.domain.explain import CLAIM_RULE
from tocsin.domain.pauses import until_unless_resumed
from tocsin.domain.reasons import Reason
from tocsin.domain.recipient import Recipient
from tocsin.domain.workflow import Workflow
from tocsin.ports.state import Claims, Suppressions


class GatesAgain:
    """
    Traces single decisions.

    Profiles, workflows and cancels are looked up as they were. Categories, tenants and the switch
    of a workflow have no versions, and an entry that left the suppression list is gone: where that
    matters the trace differs from the record, and the explanation says so.
    """

    def __init__(
        self,
        suppressions: Suppressions,
        claims: Claims,
        workflows: RunWorkflows,
        channels: Mapping[str, ChannelFacts],
    ) -> None:
        self._suppressions = suppressions
        self._claims = claims
        self._workflows = workflows
        self._channels = channels

    async def case(
        self,
        entry: Input,
        workflow: Workflow,
        recipient: Recipient | None,
        decided_ms: int,
        expires_ms: int | None,
    ) -> Case:
        """Return what decide was told about *recipient* at *decided_ms*."""
        event = entry.event
        assert event is not None
        facts = await self._facts(recipient, decided_ms)
        cancelled = False
        if event.cancellation_key is not None and recipient is not None:
            key = event.cancellation_key
            tombstones = (await self._claims.tombstones([key], decided_ms)).get(key, ())
            cancelled = any(
                each.at_ms <= decided_ms and each.catches(event.time_ms, recipient.id)
                for each in tombstones
            )
        valid = workflow.check_data is None or not workflow.check_data(data_of(entry))
        return Case(
            workflow=workflow,
            recipient=recipient,
            facts=facts.of(workflow, event.tenant),
            expires_ms=expires_ms,
            cancelled=cancelled,
            data_valid=valid,
        )

    async def _facts(self, recipient: Recipient | None, decided_ms: int) -> BatchFacts:
        entries = []
        if recipient is not None:
            digests = [each.digest for each in recipient.addresses]
            found = await self._suppressions.matching([recipient.number], digests)
            entries = [each for each in found if each.at_ms <= decided_ms]
        return BatchFacts(decided_ms, self._workflows, self._channels, entries, {})


def gates_of(case: Case, decision: Decision) -> list[GateResult]:
    """Return the trace of one decision, with what was decided after the gates."""
    if decision.step >= len(case.workflow.steps):
        return []
    if decision.reason is Reason.NOT_NEEDED:
        # Looked at before any gate, which might let it pass or not.
        return [GateResult("wait", False, {}, decision.rule, Reason.NOT_NEEDED)]
    gates = trace(case, decision.step, decision.address)
    if gates[-1].reason is not Reason.SEND:
        return gates
    if decision.reason is Reason.RENDER_FAILED:
        gates.append(GateResult("render", False, {}, decision.rule, Reason.RENDER_FAILED))
    elif decision.reason is Reason.PAUSED:
        paused = GateResult(
            "pause",
            False,
            {},
            decision.rule,
            Reason.PAUSED,
            until_unless_resumed(decision.until_ms),
        )
        gates.append(paused)
    elif decision.rule == CLAIM_RULE:
        gates.append(GateResult("claim", False, {}, decision.rule, Reason.CANCELLED))
    return gates
