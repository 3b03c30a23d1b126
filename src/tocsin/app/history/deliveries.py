"""What became of a recipient's deliveries: decisions, gates, outcomes, attempts, engagement."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.app.history.gates import GatesAgain, gates_of
from tocsin.app.routing.inputs import Input
from tocsin.domain.case import Case
from tocsin.domain.decision import Decision
from tocsin.domain.explain import Delivery, chunk_verdict, differs
from tocsin.domain.follow import INBOX
from tocsin.domain.history import Note, Planned, Standing, standing
from tocsin.domain.ids import EventKey, delivery_key, notification_key
from tocsin.domain.inbox import ItemState
from tocsin.domain.reasons import Reason, Verdict
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Broadcast
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
    ) -> None:
        self._recipients = recipients
        self._timers = timers
        self._ledger = ledger
        self._inbox = inbox
        self._gates = gates

    async def of_note(self, entry: Input, workflow: Workflow, note: Note) -> list[Delivery]:
        """Tell of the deliveries that plans name."""
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

    async def of_chunks(
        self,
        entry: Input,
        workflow: Workflow,
        chunks: Sequence[tuple[Broadcast, str]],
        number: int,
    ) -> tuple[int | None, list[Delivery], bytes]:
        """
        Tell of the deliveries that a fan-out's chunks name, each with its reason.

        Returns the version of the profile that held then, the deliveries, and the notification.
        """
        first = chunks[0][0]
        key = notification_key(EventKey(first.event), first.index, number)
        profile = await self._recipients.version_at(number, first.visible_ms)
        told = []
        for chunk, reason in chunks:
            decision = Decision(chunk.step, chunk.channel, 0, chunk_verdict(reason), Reason(reason))
            case = await self._gates.case(
                entry, workflow, profile, chunk.visible_ms, chunk.expires_ms
            )
            version = profile.version if profile is not None else 0
            delivery = delivery_key(key, chunk.step, 0)
            told.append((Planned(delivery, decision, chunk.visible_ms, version), case))
        deliveries = await self._told(number, key, told, stored=True)
        return (profile.version if profile is not None else None), deliveries, key

    async def _told(
        self,
        recipient: int,
        notification: bytes,
        planned: Sequence[tuple[Planned, Case]],
        *,
        stored: bool = False,
    ) -> list[Delivery]:
        keys = [each.delivery for each, _ in planned]
        settled = {
            key: Standing(each.state, each.reason, each.at_ms)
            for key, each in (await self._ledger.settled(keys)).items()
        }
        waits = {timer.about: timer.due_ms for timer in await self._timers.waiting(keys)}
        engaged = await self._engagement(recipient, notification, planned)
        return [
            await self._one(each, case, settled, waits, engaged, stored=stored)
            for each, case in planned
        ]

    async def _one(
        self,
        planned: Planned,
        case: Case,
        settled: dict[bytes, Standing],
        waits: dict[bytes, int],
        engaged: ItemState | None,
        *,
        stored: bool,
    ) -> Delivery:
        decision = planned.decision
        now = standing(planned, settled)
        sent = decision.verdict is Verdict.SEND
        if stored and sent and planned.delivery not in settled and decision.channel == INBOX:
            # A broadcast's items are stored with the chunk, and settle with it.
            now = Standing("sent", Reason.SEND, planned.decided_ms)
        gates = gates_of(case, decision)
        return Delivery(
            delivery=planned.delivery,
            decision=decision,
            decided_ms=planned.decided_ms,
            state=now.state,
            reason=now.reason,
            at_ms=now.at_ms,
            gates=gates,
            recomputed_differs=differs(decision, gates),
            waits_until_ms=waits.get(planned.delivery),
            trail=await self._ledger.attempts(planned.delivery),
            engagement=engaged if sent and decision.channel == INBOX else None,
        )

    async def _engagement(
        self, recipient: int, notification: bytes, planned: Sequence[tuple[Planned, Case]]
    ) -> ItemState | None:
        if not any(each.decision.channel == INBOX for each, _ in planned):
            return None
        items = await self._inbox.by_key(recipient, [notification])
        return items[0].state if items else None

    async def _profile(self, number: int, planned: Planned) -> Recipient | None:
        if planned.profile_version == 0:
            return None
        found = await self._recipients.version(number, planned.profile_version)
        return found or await self._recipients.version_at(number, planned.decided_ms)
