"""From what a provider said to what is written: settled, tried again later, or given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import xxhash

from tocsin.app.delivering.address_health import AddressHealth
from tocsin.app.delivering.pausing import waits
from tocsin.app.delivering.receipts import receipts_of
from tocsin.app.delivering.taking import Taking
from tocsin.app.delivering.work import Ended, Work
from tocsin.domain.delivery import DeliveryReason, State
from tocsin.domain.lanes import Lane
from tocsin.domain.pauses import KIND, Pause, pause_of, queue_of
from tocsin.domain.reasons import Reason
from tocsin.domain.records import Attempt, Retry, Settled, encode
from tocsin.domain.retry import next_attempt_ms
from tocsin.ports.provider import Accepted, ProviderOutcome, ProviderReason, Refused, TryLater
from tocsin.ports.state import Orphans, Timer, Timers
from tocsin.ports.system import Chance

_KINDS: Final[dict[str, str]] = {DeliveryReason.BEHIND_ANOTHER: "park"}

Records = list[Attempt | Settled]


@dataclass(frozen=True, slots=True)
class ConcludeParts:
    """Where conclusions go, beside the log."""

    timers: Timers
    orphans: Orphans
    health: AddressHealth
    taking: Taking
    chance: Chance


class Conclude:
    """Writes down, for one channel and lane, what became of deliveries."""

    def __init__(self, parts: ConcludeParts, channel: str, lane: Lane, topic: str) -> None:
        self._parts = parts
        self._channel = channel
        self._lane = lane
        self._topic = topic

    def attempts(self, works: Sequence[Work], epochs: Sequence[int], now_ms: int) -> Records:
        """Return the records that must be durable before the calls of *works* are made."""
        records: Records = []
        for work in works:
            wired, message = work.wired, work.message
            assert wired is not None
            assert message is not None
            records.append(
                Attempt(
                    work.delivery,
                    work.number,
                    epochs[work.partition],
                    wired.name,
                    message.reference,
                    now_ms,
                    self._channel,
                    self._lane,
                )
            )
        return records

    async def ended(self, works: Sequence[Work], now_ms: int) -> Records:
        """Return the outcomes of *works* that made no call, their timers armed."""
        records: Records = []
        timers = []
        for work in works:
            ended = work.ended
            assert ended is not None
            if ended.until_ms is not None:
                timers.append(self._timer(work, ended, work.history.attempts))
            records.append(self._settled(work, ended, now_ms))
        await self._parts.timers.claim_arm(timers)
        return records

    async def parked(self, works: Sequence[Work], pause: Pause, now_ms: int) -> Records:
        """
        Return what is written of *works* whose call was about to be made when a pause began.

        Their attempts are on the log already, so each counts as one that was not accepted.
        """
        timers = []
        records: Records = []
        for work in works:
            ended = waits(work, pause)
            timers.append(self._timer(work, ended, work.number))
            told = self._settled(work, ended, now_ms)
            records.append(
                msgspec.structs.replace(told, attempt=work.number, provider=_provider(work))
            )
        await self._parts.timers.claim_arm(timers)
        await self._parts.taking.give_back(works, now_ms)
        return records

    async def outcomes(
        self, works: Sequence[Work], outcomes: Sequence[ProviderOutcome], now_ms: int
    ) -> Records:
        """
        Return what follows from the outcomes of a call.

        Timers are armed and addresses marked before: their ports promise that no outcome becomes
        durable unless they do.
        """
        records: Records = []
        timers, waiting, dead = [], [], []
        for work, outcome in zip(works, outcomes, strict=True):
            ended = self._judge(work, outcome, now_ms)
            if ended.until_ms is not None:
                timers.append(self._timer(work, ended, work.number))
                waiting.append(work)
            if isinstance(outcome, Refused) and outcome.reason is ProviderReason.DEAD_ADDRESS:
                dead.append((work.handoff.recipient, work.handoff.address))
            records.append(self._told(work, ended, outcome, now_ms))
        await self._parts.timers.claim_arm(timers)
        await self._parts.taking.give_back(waiting, now_ms)
        await self._parts.health.bury(dead, now_ms)
        return records

    async def receipts(self, works: Sequence[Work]) -> list[Settled]:
        """Return the receipts that came before the outcomes of *works* were known."""
        calls = {(_provider(w), w.message.reference): w for w in works if w.message is not None}
        kept = await self._parts.orphans.take(list(calls))
        return [
            each
            for call, receipts in kept.items()
            for each in receipts_of(
                calls[call].delivery, self._lane, self._channel, call[0], receipts
            )
        ]

    def _judge(self, work: Work, outcome: ProviderOutcome, now_ms: int) -> Ended:
        match outcome:
            case Accepted():
                return Ended(State.SENT, DeliveryReason.ACCEPTED)
            case Refused():
                return Ended(State.FAILED, outcome.reason, outcome.detail)
            case TryLater():
                return self._later(work, outcome, now_ms)

    def _later(self, work: Work, outcome: TryLater, now_ms: int) -> Ended:
        assert work.wired is not None
        if not outcome.known and work.wired.settings.on_unknown == "give_up":
            return Ended(State.FAILED, DeliveryReason.OUTCOME_UNKNOWN, outcome.detail)
        policy = work.wired.retry
        due_ms = next_attempt_ms(
            policy,
            attempts=work.number,
            now_ms=now_ms,
            fraction=self._parts.chance.fraction(),
            retry_after_ms=outcome.after_ms,
            expires_ms=work.handoff.expires_ms,
        )
        if due_ms is not None:
            return Ended(State.DEFERRED, outcome.reason, outcome.detail, due_ms)
        state = State.FAILED if work.number >= policy.attempts_max else State.EXPIRED
        return Ended(state, outcome.reason, outcome.detail)

    def _told(self, work: Work, ended: Ended, outcome: ProviderOutcome, now_ms: int) -> Settled:
        return msgspec.structs.replace(
            self._settled(work, ended, now_ms),
            attempt=work.number,
            provider=_provider(work),
            provider_id=outcome.provider_id if isinstance(outcome, Accepted) else None,
            known=not isinstance(outcome, TryLater) or outcome.known,
        )

    def _settled(self, work: Work, ended: Ended, now_ms: int) -> Settled:
        return Settled(
            work.delivery,
            self._lane,
            self._channel,
            ended.state,
            ended.reason,
            now_ms,
            detail=ended.detail,
            until_ms=ended.until_ms,
        )

    def _timer(self, work: Work, ended: Ended, attempts: int) -> Timer:
        due_ms = ended.until_ms
        assert due_ms is not None
        delivery = work.delivery
        told = delivery + due_ms.to_bytes(8, "big") + bytes((attempts,))
        kind = _KINDS.get(ended.reason, "retry" if attempts else "hold")
        if ended.reason == Reason.PAUSED:
            # Those of several pauses are due at the same time: when the message expires.
            kind = KIND + queue_of(pause_of(ended.detail), handed=True)
            told += kind.encode()
        key = xxhash.xxh3_128_digest(told)
        record = encode(Retry(key, due_ms, work.handoff, attempts))
        return Timer(key, due_ms, self._topic, work.partition, record, delivery, kind, ended.reason)


def _provider(work: Work) -> str:
    return work.wired.name if work.wired is not None else ""
