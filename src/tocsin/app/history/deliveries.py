"""What became of a recipient's deliveries: decisions, gates, outcomes, attempts, engagement."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tocsin.app.history.gates import GatesAgain, gates_of
from tocsin.app.pausing.gate import PauseGate
from tocsin.app.routing.inputs import Input
from tocsin.domain.case import Case
from tocsin.domain.channels import INBOX
from tocsin.domain.delivery import OPEN, State
from tocsin.domain.explain import Delivery, differs, with_rule
from tocsin.domain.history import Note, Planned, Standing, last_word, refined, standing
from tocsin.domain.ids import RECIPIENT_NUMBER_MAX
from tocsin.domain.inbox import ItemState
from tocsin.domain.pauses import until_unless_resumed
from tocsin.domain.reasons import Reason, Verdict
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Attempt, Settled
from tocsin.domain.workflow import Workflow
from tocsin.ports.state import Recipients, Timers
from tocsin.ports.views import InboxView, LedgerView


class DeliveriesStep:
    """Tells of one recipient's deliveries, in bulk."""

    def __init__(
        self,
        recipients: Recipients,
        timers: Timers,
        ledger: LedgerView,
        inbox: InboxView,
        gates: GatesAgain,
        pauses: PauseGate,
    ) -> None:
        self._pauses = pauses
        self._recipients = recipients
        self._timers = timers
        self._ledger = ledger
        self._inbox = inbox
        self._gates = gates

    async def of_note(self, entry: Input, workflow: Workflow, note: Note) -> list[Delivery]:
        """Tell of the deliveries that plans or chunks name."""
        cases: dict[int, Case] = {}
        for planned in note.deliveries:
            if planned.decided_ms not in cases:
                profile = await self._profile(note.recipient, planned)
                cases[planned.decided_ms] = await self._gates.case(
                    entry, workflow, profile, planned.decided_ms, note.expires_ms
                )
        return await self._told(
            note.recipient,
            note.key,
            [(planned, cases[planned.decided_ms]) for planned in note.deliveries],
        )

    async def _told(
        self,
        recipient: int,
        notification: bytes,
        planned: Sequence[tuple[Planned, Case]],
    ) -> list[Delivery]:
        keys = [each.delivery for each, _ in planned]
        settled = {
            key: Standing(each.state, each.reason, each.at_ms)
            for key, each in (await self._ledger.settled(keys)).items()
        }
        trails = await self._ledger.attempts(keys)
        waits = {timer.about: timer.due_ms for timer in await self._timers.waiting(keys)}
        engaged = await self._engagement(recipient, notification, planned)
        return [
            self._paused(
                _one(each, case, settled, trails.get(each.delivery, ()), waits, engaged),
                case.workflow.lane,
            )
            for each, case in planned
        ]

    def _paused(self, told: Delivery, lane: str) -> Delivery:
        """Say by whom and why a delivery is paused; what waits in the log is looked up now."""
        decision, last = told.decision, last_word(told.trail)
        if told.reason == Reason.PAUSED:
            rule = (
                decision.rule if decision.reason is Reason.PAUSED else last.detail if last else ""
            )
            return msgspec.structs.replace(told, pause=rule)
        pause = self._pauses.stopped(decision.channel, lane)
        if told.state != State.PENDING or pause is None:
            return told
        return msgspec.structs.replace(
            told,
            state=State.DEFERRED,
            reason=Reason.PAUSED,
            at_ms=max(told.at_ms, pause.at_ms),
            pause=pause.rule,
        )

    async def _engagement(
        self, recipient: int, notification: bytes, planned: Sequence[tuple[Planned, Case]]
    ) -> ItemState | None:
        if recipient > RECIPIENT_NUMBER_MAX:
            # Nobody knew them, so there is no inbox.
            return None
        if not any(each.decision.channel == INBOX for each, _ in planned):
            return None
        items = await self._inbox.by_key(recipient, [notification])
        return items[0].state if items else None

    async def _profile(self, number: int, planned: Planned) -> Recipient | None:
        if planned.profile_version == 0:
            return None
        found = await self._recipients.version(number, planned.profile_version)
        return found or await self._recipients.version_at(number, planned.decided_ms)


def _one(
    planned: Planned,
    case: Case,
    settled: dict[bytes, Standing],
    trail: Sequence[Attempt | Settled],
    waits: dict[bytes, int],
    engaged: ItemState | None,
) -> Delivery:
    now = refined(standing(planned, settled), trail)
    sent = planned.decision.verdict is Verdict.SEND
    gates = gates_of(case, planned.decision)
    decision = with_rule(planned.decision, gates)
    # What was cancelled may have a timer left, with which its lane hears of that.
    wait_ms = waits.get(planned.delivery) if now.state in OPEN else None
    return Delivery(
        delivery=planned.delivery,
        decision=decision,
        decided_ms=planned.decided_ms,
        state=now.state,
        reason=now.reason,
        at_ms=now.at_ms,
        gates=gates,
        recomputed_differs=differs(decision, gates),
        waits_until_ms=until_unless_resumed(wait_ms),
        trail=trail,
        engagement=engaged if sent and decision.channel == INBOX else None,
    )
