"""From what a provider said to what is written: settled, tried again later, or given up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.app.delivering.address_health import AddressHealth, Deaths
from tocsin.app.delivering.calling import Called
from tocsin.app.delivering.choosing import Choosing
from tocsin.app.delivering.endpoint_health import EndpointHealth
from tocsin.app.delivering.pausing import waits
from tocsin.app.delivering.proofs import Proofs
from tocsin.app.delivering.superseding import standing_after, was_edited
from tocsin.app.delivering.taking import Taking
from tocsin.app.delivering.work import Ended, Work
from tocsin.app.receipts.wishes import Wishes
from tocsin.app.routing.holding import timer_key
from tocsin.domain.delivery import EDITED, OPEN, DeliveryReason, State
from tocsin.domain.handoff_order import FOR_PROVIDER
from tocsin.domain.lanes import Lane
from tocsin.domain.pauses import KIND, pause_of, queue_of
from tocsin.domain.reasons import Reason
from tocsin.domain.records import Attempt, Retry, Settled, encode
from tocsin.domain.retry import RetryPolicy, costs, next_attempt_ms
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused, TryLater
from tocsin.ports.receipts import ChannelWish
from tocsin.ports.state import Standings, Timer, Timers
from tocsin.ports.system import Chance

OVERTOOK: Final = "overtook an earlier one"
# Plain texts, as a record that is read back has: a member of an enumeration is dear to look up by,
# and whoever follows this record does.
SENT: Final = Ended(State.SENT.value, DeliveryReason.ACCEPTED.value)
_PARKED: Final = FOR_PROVIDER | {DeliveryReason.BEHIND_ANOTHER}
_RETRY: Final = "retry"
_PARK: Final = "park"
LINED: Final = frozenset({_RETRY, _PARK})
"""Kinds of the timers of deliveries whom others may wait behind."""

# An enumeration's member costs as much to name as a record to make, and these are named for each.
_PENDING: Final = State.PENDING
_FAILED: Final = State.FAILED
_RINGING: Final = DeliveryReason.RINGING

Records = list[Attempt | Settled]


@dataclass(frozen=True, slots=True)
class ConcludeParts:
    """Where conclusions go, beside the log."""

    timers: Timers
    health: AddressHealth
    endpoints: EndpointHealth
    taking: Taking
    chance: Chance
    standings: Standings
    wishes: Wishes
    proofs: Proofs


@dataclass(slots=True)
class Conclusions:
    """What follows from calls that have ended."""

    records: Records
    finished: list[Work]
    """Those that this lane has no more to do with for now."""
    again: list[tuple[Work, Settled]]
    """Those that go on at once, to another provider, with how the first one failed."""


class Conclude:
    """Writes down, for one channel and lane, what became of deliveries."""

    def __init__(
        self, parts: ConcludeParts, choosing: Choosing, channel: str, lane: Lane, topic: str
    ) -> None:
        self._parts = parts
        self._choosing = choosing
        self._channel = channel
        self._lane = lane
        self._topic = topic

    def attempts(self, works: Sequence[Work], epochs: Sequence[int], now_ms: int) -> Records:
        """Return the records that must be durable before the calls of *works* are made."""
        records: Records = []
        channel, lane = self._channel, self._lane
        for work in works:
            wired, message = work.wired, work.message
            assert wired is not None
            assert message is not None
            work.attempt = Attempt(
                work.handoff.delivery,
                work.number,
                epochs[work.partition],
                wired.name,
                message.reference,
                now_ms,
                channel,
                lane,
                route=work.route,
                considered=work.considered,
            )
            records.append(work.attempt)
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

    async def outcomes(self, calls: Sequence[Called], now_ms: int) -> Conclusions:
        """
        Return what follows from the outcomes of calls.

        Timers are armed and addresses marked before: their ports promise that no outcome becomes
        durable unless they do.
        """
        found = Conclusions([], [], [])
        await self._prove(calls)
        timers, waiting = [], []
        deaths: defaultdict[str, Deaths] = defaultdict(Deaths)
        for called in calls:
            told = deaths[called.wired.name]
            told.outcomes += len(called.works)
            for work, outcome in _outcomes(called):
                ended = self._judge(work, outcome, called, now_ms)
                record = self._told(work, ended, outcome, now_ms)
                found.records.append(record)
                if ended is SENT:
                    # As nearly all: nothing waits, and nothing is wrong with the address.
                    found.finished.append(work)
                    continue
                if ended.until_ms is not None:
                    timers.append(self._timer(work, ended, work.number))
                if ended.state in OPEN and _never_taken(work, outcome):
                    waiting.append(work)
                if isinstance(outcome, Refused):
                    _heed(told, work, outcome, now_ms)
                if ended.state == _PENDING:
                    found.again.append((work, record))
                else:
                    found.finished.append(work)
        await self._stand(calls, now_ms)
        await self._parts.timers.claim_arm(timers)
        await self._parts.taking.give_back(waiting, now_ms)
        await self._parts.health.bury(deaths, now_ms)
        await self._stop(deaths)
        await self._parts.endpoints.note(calls, now_ms)
        return found

    async def _prove(self, calls: Sequence[Called]) -> None:
        """Note whose answer was lost, and whose receipt was there before."""
        lost = {
            work.handoff.delivery: (work, called.wired.name)
            for called in calls
            for work, outcome in _outcomes(called)
            if isinstance(outcome, TryLater) and not outcome.known
        }
        called_by = {delivery: name for delivery, (_, name) in lost.items()}
        for delivery in await self._parts.proofs.of(called_by):
            lost[delivery][0].proved = True

    async def _stop(self, told: Mapping[str, Deaths]) -> None:
        """Send nothing more to whoever has told the vendor so."""
        for name, said in told.items():
            if said.stops:
                await self._parts.wishes.take(name, self._channel, said.stops)

    async def _stand(self, calls: Sequence[Called], now_ms: int) -> None:
        """Write down which messages later ones may edit: before what follows from them."""
        if not any(called.wired.provider.flags.edits for called in calls):
            return
        told = (pair for called in calls for pair in _outcomes(called))
        standing = [standing_after(work, outcome, now_ms) for work, outcome in told]
        if any(standing):
            await self._parts.standings.put([each for each in standing if each is not None])

    def _judge(
        self, work: Work, outcome: ProviderOutcome | None, called: Called, now_ms: int
    ) -> Ended:
        if called.gone:
            return Ended(State.SUPPRESSED, Reason.ERASED, "recipient.erased")
        if outcome is None:
            # Its attempt is on the log already, so it counts as one that was not accepted.
            assert called.pause is not None
            return waits(work, called.pause)
        if work.proved:
            return SENT
        match outcome:
            case Accepted():
                return self._accepted(work, outcome, now_ms)
            case Refused(ProviderReason.OUR_FAULT):
                # Nothing is wrong with the message: it goes as soon as somebody mends the rest.
                return self._later(work, TryLater(outcome.reason, detail=outcome.detail), now_ms)
            case Refused():
                return Ended(State.FAILED, outcome.reason, outcome.detail)
            case TryLater():
                return self._later(work, outcome, now_ms)

    def _accepted(self, work: Work, outcome: Accepted, now_ms: int) -> Ended:
        """
        Say *sent*, or for what is still ringing when it is made again unless somebody takes it.

        The last attempt is sent: then a receipt that nobody took it fails it.
        """
        if outcome.ringing_ms is None:
            return SENT
        later = TryLater(ProviderReason.UNANSWERED, known=False, after_ms=outcome.ringing_ms)
        due_ms = self._due_ms(work, later, now_ms)
        if due_ms is None:
            return SENT
        return Ended(State.DEFERRED, DeliveryReason.RINGING, until_ms=due_ms)

    def _due_ms(self, work: Work, outcome: TryLater, now_ms: int) -> int | None:
        """Return when the next attempt is made, None where there is none left."""
        assert work.wired is not None
        policy, reason, known = work.wired.retry, outcome.reason, outcome.known
        ends_ms, expires_ms = _last_ms(work, policy), work.handoff.expires_ms
        return next_attempt_ms(
            policy,
            attempts=work.number,
            now_ms=now_ms,
            fraction=self._parts.chance.fraction(),
            retry_after_ms=outcome.after_ms,
            expires_ms=ends_ms if expires_ms is None else min(ends_ms, expires_ms),
            spent=work.history.used + costs(reason, known=known),
            reason=reason,
            known=known,
        )

    def _later(self, work: Work, outcome: TryLater, now_ms: int) -> Ended:
        assert work.wired is not None
        if not outcome.known and work.wired.settings.on_unknown == "give_up":
            return Ended(State.FAILED, DeliveryReason.OUTCOME_UNKNOWN, outcome.detail)
        policy, reason, known = work.wired.retry, outcome.reason, outcome.known
        spent = work.history.used + costs(reason, known=known)
        left = policy.attempts_max - spent
        if known and left > 0 and not outcome.address_only and self._choosing.another(work, now_ms):
            return Ended(State.PENDING, reason, outcome.detail)
        due_ms = self._due_ms(work, outcome, now_ms)
        if due_ms is not None:
            return Ended(State.DEFERRED, reason, outcome.detail, due_ms)
        expires_ms = work.handoff.expires_ms
        expires = expires_ms is not None and expires_ms <= _last_ms(work, policy)
        state = State.EXPIRED if left > 0 and expires else State.FAILED
        return Ended(state, reason, outcome.detail)

    def _told(
        self, work: Work, ended: Ended, outcome: ProviderOutcome | None, now_ms: int
    ) -> Settled:
        assert work.wired is not None
        detail = _detail(work, ended, edited=was_edited(work, outcome))
        return Settled(
            work.handoff.delivery,
            self._lane,
            self._channel,
            ended.state,
            ended.reason,
            now_ms,
            attempt=work.number,
            provider=work.wired.name,
            provider_id=outcome.provider_id if isinstance(outcome, Accepted) else None,
            known=ended is SENT or _is_known(ended, outcome),
            detail=detail,
            until_ms=ended.until_ms,
            workflow="" if ended is SENT else _workflow(work, ended),
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
            workflow=_workflow(work, ended),
        )

    def _timer(self, work: Work, ended: Ended, attempts: int) -> Timer:
        due_ms = ended.until_ms
        assert due_ms is not None
        occasion = attempts.to_bytes(4, "big").lstrip(b"\0") or b"\0"
        kind = _RETRY if attempts else "hold"
        if ended.reason == Reason.PAUSED:
            # Those of several pauses are due at the same time: when the message expires.
            kind = KIND + queue_of(pause_of(ended.detail), handed=True)
            occasion += kind.encode()
        elif ended.reason in _PARKED:
            kind = _PARK
        key = timer_key(work.delivery, due_ms, occasion)
        record = encode(Retry(key, due_ms, work.handoff, attempts))
        return Timer(
            key, due_ms, self._topic, work.partition, record, work.delivery, kind, ended.reason
        )


def _detail(work: Work, ended: Ended, *, edited: bool) -> str:
    """Return the vendor's words, and what else is to be known of how the message went."""
    if not (edited or work.overtakes):
        return ended.detail
    more = [text for text, holds in ((EDITED, edited), (OVERTOOK, work.overtakes)) if holds]
    return ", ".join(filter(None, (ended.detail, *more)))


def _outcomes(called: Called) -> Iterable[tuple[Work, ProviderOutcome | None]]:
    """Return each message of a call with what was said of it; None: the call was not made."""
    if not called.made:
        return [(work, None) for work in called.works]
    return zip(called.works, called.outcomes, strict=True)


def _last_ms(work: Work, policy: RetryPolicy) -> int:
    """Return until when a message is tried that does not expire before."""
    attempt, began_ms = work.attempt, work.history.began_ms
    assert attempt is not None
    return (attempt.at_ms if began_ms is None else began_ms) + policy.patience_ms


def _heed(told: Deaths, work: Work, refused: Refused, now_ms: int) -> None:
    """Note what a refusal says of the address: nobody is there, or she wants nothing more."""
    if refused.reason is ProviderReason.DEAD_ADDRESS:
        told.dead.add((work.handoff.recipient, work.handoff.address))
    if refused.opted_out and work.message is not None:
        told.stops.append(ChannelWish(work.message.address, False, now_ms, refused.detail))


def _never_taken(work: Work, outcome: ProviderOutcome | None) -> bool:
    """Return whether nobody can have the message yet, so that a cancel may still have its row."""
    if isinstance(outcome, Accepted):
        return False
    unknown = isinstance(outcome, TryLater) and not outcome.known
    return not unknown and work.history.bound is None


def _is_known(ended: Ended, outcome: ProviderOutcome | None) -> bool:
    """Return whether it is known who has the message; while it rings nobody knows."""
    if isinstance(outcome, TryLater):
        return outcome.known
    return ended.reason != _RINGING


def _workflow(work: Work, ended: Ended) -> str:
    return work.handoff.workflow if ended.state == _FAILED else ""
