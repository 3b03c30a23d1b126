"""Attempts of which only the beginning is known: their maker died before it heard the answer."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tocsin.app.delivering.proofs import Proofs
from tocsin.app.delivering.providers import Fleet, Wired
from tocsin.app.delivering.work import Work
from tocsin.domain.attempts import History, Standing
from tocsin.domain.delivery import DeliveryReason, State
from tocsin.domain.lanes import Lane
from tocsin.domain.records import Attempt, Settled


class Unknown:
    """
    Ends such attempts as unknown, and says whether there is to be another.

    Another goes to the same provider under the same reference, since only that one can tell that
    it has the message already. A receipt that came meanwhile proves that it was taken.
    """

    def __init__(
        self,
        fleet: Fleet,
        proofs: Proofs,
        channel: str,
        lane: Lane,
    ) -> None:
        self._providers = fleet.by_name()
        self._proofs = proofs
        self._channel = channel
        self._lane = lane

    async def resolve(self, works: Sequence[Work], now_ms: int) -> list[Settled]:
        """Return the outcomes of open attempts; some of *works* end by it."""
        open_ = {
            work.delivery: (work, attempt)
            for work in works
            if (attempt := work.history.open) is not None
            and work.history.standing(work.attempts_before) is Standing.UNKNOWN
        }
        if not open_:
            return []
        proved = await self._proofs.of({of: each.provider for of, (_, each) in open_.items()})
        records: list[Settled] = []
        for delivery, (work, attempt) in open_.items():
            if delivery in proved:
                records.append(self._record(attempt, State.SENT, now_ms, DeliveryReason.ACCEPTED))
                work.settled_before = work.proved = True
            elif self._again(work.history, self._providers.get(attempt.provider)):
                records.append(self._record(attempt, State.PENDING, now_ms))
            else:
                failed = self._record(attempt, State.FAILED, now_ms)
                workflow = work.handoff.workflow
                records.append(msgspec.structs.replace(failed, workflow=workflow))
                work.settled_before = True
        return records

    def _again(self, history: History, wired: Wired | None) -> bool:
        # The one that is unknown is spent as well.
        if wired is None or history.spent + 1 >= wired.settings.attempts_max:
            return False
        return wired.settings.on_unknown == "resend"

    def _record(
        self,
        attempt: Attempt,
        state: State,
        now_ms: int,
        reason: DeliveryReason = DeliveryReason.OUTCOME_UNKNOWN,
    ) -> Settled:
        return Settled(
            attempt.delivery,
            self._lane,
            self._channel,
            state,
            reason,
            now_ms,
            attempt=attempt.number,
            provider=attempt.provider,
            known=state is State.SENT,
        )
