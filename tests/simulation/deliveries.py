"""What must hold of deliveries that somebody else carries: what was called, against the log."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from tests.simulation.asked import first_calls
from tests.simulation.final import Final
from tests.simulation.history import History
from tests.simulation.shop import LEAVER
from tests.simulation.tracing import Placed, decided
from tests.simulation.vendor import ASKED_S, CHANNEL, SETTINGS, Seen, address_of
from tocsin.domain.delivery import DeliveryReason, State, allowed, settled
from tocsin.domain.handoff_order import PATIENCE_MS
from tocsin.domain.ids import generation_of, next_generation, show_delivery
from tocsin.domain.reasons import Reason, Verdict
from tocsin.domain.records import Attempt, Handoff, Settled
from tocsin.ports.outcomes import ProviderReason

_OVERTOOK = "overtook"
_SAID = frozenset(ProviderReason)
_NOT_CALLED = frozenset(
    {State.DEFERRED, State.CANCELLED, State.SUPPRESSED, State.EXPIRED, State.FAILED}
)
_TRIED_AGAIN = frozenset({ProviderReason.OVERLOADED, ProviderReason.TIMED_OUT})
_ANSWERS = _SAID | {DeliveryReason.ACCEPTED}
"""What is written down of a call that was heard of."""


_UNCALLED = {Verdict.SUPPRESS: State.SUPPRESSED, Verdict.EXPIRE: State.EXPIRED}
_SETTLED = frozenset(str(state) for state in State if settled(state))


def deliveries_settle_once(history: History, final: Final) -> list[str]:
    """I1: each hand-off ends in exactly one state, and what is sent was taken."""
    told, calls = _told(final), _calls(final)
    found = []
    for delivery in {place.record.delivery for place in final.handoffs}:
        ends = _ends(told[delivery])
        if not _one_stands(ends):
            found.append(f"{delivery.hex()} ended {len(ends)} times: {ends}")
        taken = any(call.taken for call in calls[show_delivery(delivery)])
        unknown = any(not each.known for each in told[delivery])
        sent = any(each.state == State.SENT for each in ends)
        if sent is not taken and not unknown:
            found.append(f"{delivery.hex()} is sent: {sent}, and was taken: {taken}")
    return found


def _one_stands(ends: Sequence[Settled]) -> bool:
    """
    Return whether a delivery has one end.

    The first on the log stands. A cancel that takes the row of what ends without a call in the
    same moment, or has ended so before, writes down another, which changes nothing.
    """
    if ends and ends[0].receipt:
        # An attempt that was under way when its forerunner was heard of has an outcome of its own.
        return True
    others = [each.state for each in ends if each.state != State.CANCELLED]
    if len(others) == len(ends):
        return len(ends) == 1
    return len(others) <= 1 and State.SENT not in others


def ledger_counts_deliveries(history: History, final: Final) -> list[str]:
    """I1: the ledger knows how each delivery ended, and its sums are those of its deliveries."""
    found = []
    total = Counter[tuple[str, str, str]]()
    lanes = {_first_of(each.delivery): each.lane for each in decided(final)}
    lanes |= {_first_of(place.record.delivery): place.lane for place in final.handoffs}
    uncalled = {
        each.delivery: {str(_UNCALLED[each.decision.verdict])}
        for each in decided(final)
        if each.decision.verdict in _UNCALLED
    }
    for delivery, some in _told(final).items():
        settling = [e for e in _ends(some) if e.channel == CHANNEL]
        ends = [e.state for e in settling]
        known = final.carried.get(delivery)
        said = {e.state for e in some if e.receipt} if ends[:1] == [State.SENT] else set()
        if settling and settling[0].receipt:
            # An attempt that was under way when its forerunner was heard of may be refused.
            said |= set(ends)
        if set(ends) == {State.CANCELLED}:
            # A death between a row and its plan leaves the row to a cancel, though the plan that is
            # made anew may not call: of the two ends the first stands.
            said |= uncalled.get(delivery, set())
        if ends and (known is None or known.state not in {ends[0], *said}):
            found.append(f"{delivery.hex()} is {known} in the ledger, {ends} on the log")
    for delivery, one in final.carried.items():
        total[lanes[_first_of(delivery)], CHANNEL, one.state] += 1
    counted = {key: n for key, n in final.totals.items() if n and key[1] == CHANNEL}
    if counted != dict(total):
        found.append(f"the ledger counts {counted}, its deliveries are {dict(total)}")
    return found


def _first_of(delivery: bytes) -> bytes:
    """Return the delivery that replays take the place of."""
    return delivery[:19] + bytes(1)


def handed_over_once(history: History, final: Final) -> list[str]:
    """I1: what is decided to be sent is handed over once, a replay of it too."""
    times = Counter(place.record.delivery for place in final.handoffs)
    return [f"{key.hex()} was handed over {n} times" for key, n in times.items() if n > 1]


def calls_were_written(history: History, final: Final) -> list[str]:
    """I2: there is no call without an attempt that was written before."""
    written = Counter(each.record.reference for each in final.outcomes if _is_attempt(each))
    made = Counter(call.reference for call in final.calls)
    return [
        f"{reference} was called {n} times and written down {written[reference]}"
        for reference, n in made.items()
        if n > written[reference]
    ]


def calls_are_meant(history: History, final: Final) -> list[str]:
    """I3: each call is for the person and the event of its delivery."""
    meant = {
        show_delivery(place.record.delivery): (
            address_of(final.ids.get(place.record.recipient, LEAVER)),
            final.subjects.get(_event_place(place.record)),
        )
        for place in final.handoffs
    }
    return [
        f"{call.reference} went to {call.address} with {call.title}"
        for call in final.calls
        if not _fits(call, meant.get(call.reference))
    ]


def _fits(call: Seen, meant: tuple[str, str | None] | None) -> bool:
    """What was erased does not say any more what it was about."""
    if call.address == address_of(LEAVER):
        return meant is not None and call.title.startswith("leave.")
    return meant == (call.address, call.title)


def repeats_are_of_unknown(history: History, final: Final) -> list[str]:
    """I4: a vendor takes the same once, and once more for each answer that was not heard."""
    unknown = Counter(
        show_delivery(each.delivery)
        for some in _told(final).values()
        for each in some
        if not each.known
    )
    taken = Counter(call.reference for call in final.calls if call.taken)
    return [
        f"{reference} was taken {n} times, {unknown[reference]} answers were not heard"
        for reference, n in taken.items()
        if n > 1 + unknown[reference]
    ]


def calls_in_order(history: History, final: Final) -> list[str]:
    """I5: first attempts to one address keep the order of the log, unless it says otherwise."""
    if history.set_back:
        # Patience that began in what is now the future ends at once.
        return []
    first = {call.reference: call.at_tick for call in reversed(final.calls)}
    told = _told(final)
    begun_ms = {
        place.record.delivery: place.record.at_ms
        for place in reversed(_in_order(final))
        if _is_attempt(place)
    }
    found = []

    def line(place: Placed) -> tuple[str, int, int]:
        return (place.lane, place.partition, place.record.recipient)

    for (lane, _, _), places in groupby(sorted(final.handoffs, key=line), key=line):
        called = sorted(
            (place.position, first[reference], place.record.delivery)
            for place in places
            if (reference := show_delivery(place.record.delivery)) in first
            and place.record.delivery in begun_ms
        )
        for before, after in pairwise(called):
            excused = any(_excused(each) for key in (before[2], after[2]) for each in told[key])
            waited_ms = begun_ms[after[2]] - _parked_ms(told[before[2]], begun_ms[before[2]])
            # An engine that was away for as long as that need not know of the line any more.
            if before[1] > after[1] and not excused and waited_ms < PATIENCE_MS[lane]:
                found.append(f"{after[2].hex()} went before {before[2].hex()}")
    return found


def _parked_ms(told: Sequence[Settled], otherwise_ms: int) -> int:
    """Return when a delivery began to wait behind another."""
    behind = (each.at_ms for each in told if each.reason == DeliveryReason.BEHIND_ANOTHER)
    return next(behind, otherwise_ms)


def _excused(each: Settled) -> bool:
    """What somebody held back lets others pass."""
    # Words of the vendor, about the call that failed, come before it.
    return _OVERTOOK in each.detail or each.reason in {
        Reason.PAUSED,
        Reason.IN_QUIET_HOURS,
    }


_FREE = frozenset({Reason.PAUSED, ProviderReason.THROTTLED, ProviderReason.OVERLOADED})
"""A call that was not made, or that would have ended so for every message, costs no attempt."""


def attempts_keep_their_time(history: History, final: Final) -> list[str]:
    """I11: no more attempts than there may be, and none before the time that was agreed on."""
    found = []
    until: dict[bytes, int] = {}
    free: defaultdict[bytes, set[int]] = defaultdict(set)
    for place in _in_order(final):
        each = place.record
        if isinstance(each, Settled) and each.receipt:
            continue
        if isinstance(each, Settled) and each.attempt and each.known and each.reason in _FREE:
            free[each.delivery].add(each.attempt)
        if isinstance(each, Attempt):
            if each.number > SETTINGS.attempts_max + len(free[each.delivery]):
                found.append(f"{each.reference} has attempt {each.number}")
            if each.at_ms < until.pop(each.delivery, 0) and not history.set_back:
                found.append(f"{each.reference} was tried again too early")
        elif each.reason == ProviderReason.THROTTLED and each.state == State.DEFERRED:
            # When it comes back may have been drawn twice; what was asked for holds for both.
            until[each.delivery] = each.at_ms + ASKED_S[0] * 500
    return found


_LATE_MS = 400
"""A breaker hears of a failure before it is written, by two turns of a store that was away."""


def nothing_while_open(history: History, final: Final) -> list[str]:
    """I11: after failures in a row nobody is called for a while (the first time in each life)."""
    if history.set_back or len({place.partition for place in final.outcomes}) > 1:
        # Only the epochs of one partition number the lives.
        return []
    attempts = [place.record for place in final.outcomes if _is_attempt(place)]
    lives = {(each.delivery, each.number): each.epoch for each in attempts}
    told: dict[tuple[str, str, int], list[Settled]] = defaultdict(list)
    for place in _in_order(final):
        each = place.record
        if isinstance(each, Settled) and each.reason in _ANSWERS and not each.receipt:
            told[each.provider, each.lane, lives[each.delivery, each.attempt]].append(each)
    found = []
    for way, some in told.items():
        opened_ms = _opened(some)
        if opened_ms is None:
            continue
        found += [
            f"{each.reference} was called {each.at_ms - opened_ms} ms after it had opened"
            for each in attempts
            if (each.provider, each.lane, each.epoch) == way
            and opened_ms < each.at_ms < opened_ms + SETTINGS.breaker_open_ms - _LATE_MS
        ]
    return found


def _opened(told: list[Settled]) -> int | None:
    """Return when a breaker must have opened that was never open before; None when in doubt."""
    failed: list[int] = []
    for number, each in enumerate(told, 1):
        if each.reason in _TRIED_AGAIN:
            failed.append(each.at_ms)
        if len(failed) == SETTINGS.breaker_failures:
            near = each.at_ms - failed[0] < SETTINGS.breaker_window_ms // 2
            return each.at_ms if near and number <= 2 * len(failed) else None
    return None


def deliveries_move_as_allowed(history: History, final: Final) -> list[str]:
    """I12: what has ended does not move again, and nothing else moves as it may not."""
    moves = _Moves()
    return [found for place in _in_order(final) if (found := moves.take(place.record)) is not None]


@dataclass(slots=True)
class _Moves:
    """How each delivery stands so far."""

    at: dict[bytes, State] = field(default_factory=dict)
    heard_of: set[bytes] = field(default_factory=set)
    """Those that a receipt settled: an attempt that was under way then has an outcome, too."""

    def take(self, each: Attempt | Settled) -> str | None:
        """Follow one record; returns what is wrong with it."""
        before = self.at.get(each.delivery, State.PENDING)
        if isinstance(each, Settled) and each.receipt:
            self._hear(each, before)
            return None
        if each.delivery in self.heard_of:
            return None
        after = State.SENDING if isinstance(each, Attempt) else State(each.state)
        erased = not isinstance(each, Attempt) and each.reason == Reason.ERASED
        if not settled(before) or allowed(before, after):
            self.at[each.delivery] = after
        if after is before or allowed(before, after) or erased or _met(before, after):
            return None
        return f"{each.delivery.hex()} went from {before} to {after}"

    def _hear(self, each: Settled, before: State) -> None:
        """What a receipt says of one that has ended otherwise is a fact, and moves nothing."""
        if each.state not in _SETTLED:
            return
        if not settled(before):
            self.heard_of.add(each.delivery)
        if not settled(before) or allowed(before, State(each.state)):
            self.at[each.delivery] = State(each.state)


def _met(before: State, after: State) -> bool:
    """Return whether a cancel has met what ends or waits without a call: the first end stands."""
    return {before, after} & _NOT_CALLED == {before, after} and State.CANCELLED in {before, after}


def replays_are_one_delivery(history: History, final: Final) -> list[str]:
    """I12: what was replayed has failed, stays so, and was made anew because somebody asked."""
    ends = {key: {each.state for each in some} for key, some in _told(final).items()}
    made = {p.record.delivery for p in final.handoffs if generation_of(p.record.delivery)}
    origins = {key: end for key, end in ends.items() if next_generation(key) in made}
    found = [
        f"{key.hex()} was made anew and is {sorted(end)}"
        for key, end in origins.items()
        if State.FAILED not in end
    ]
    if len(made) > len(origins):
        found.append(f"{len(made)} deliveries were made anew of {len(origins)}")
    if made and not history.of("replay"):
        found.append("nobody asked for a replay")
    return found


def refused_are_not_called(history: History, final: Final) -> list[str]:
    """I7: whoever is on the list before an event was sent is not called about it."""
    begun = first_calls(history)
    return [
        f"{call.address} was called about {call.title}"
        for said in history.of("suppress", "ok")
        for call in final.calls
        if call.address == address_of(said.what["person"])
        and call.title in begun
        and said.before(begun[call.title])
    ]


def _is_attempt(place: Placed) -> bool:
    return isinstance(place.record, Attempt)


def _in_order(final: Final) -> list[Placed]:
    return sorted(final.outcomes, key=lambda place: (place.partition, place.position))


def _told(final: Final) -> Mapping[bytes, list[Settled]]:
    found: dict[bytes, list[Settled]] = defaultdict(list)
    for place in _in_order(final):
        if isinstance(place.record, Settled):
            found[place.record.delivery].append(place.record)
    return found


def _ends(told: Sequence[Settled]) -> list[Settled]:
    """Return what settled it, and what came after that is no receipt."""
    ends = [each for each in told if each.state in _SETTLED]
    return ends[:1] + [each for each in ends[1:] if not each.receipt]


def _calls(final: Final) -> Mapping[str, list[Seen]]:
    found: dict[str, list[Seen]] = defaultdict(list)
    for call in final.calls:
        found[call.reference].append(call)
    return found


def _event_place(handoff: Handoff) -> tuple[str, int, int]:
    return (handoff.event_lane, handoff.event_partition, handoff.event_position)


INVARIANTS: dict[str, Callable[[History, Final], list[str]]] = {
    "I1 deliveries settle once": deliveries_settle_once,
    "I1 ledger counts deliveries": ledger_counts_deliveries,
    "I1 handed over once": handed_over_once,
    "I2 calls were written": calls_were_written,
    "I3 calls are meant": calls_are_meant,
    "I4 repeats are of unknown": repeats_are_of_unknown,
    "I5 calls in order": calls_in_order,
    "I7 refused are not called": refused_are_not_called,
    "I11 attempts keep their time": attempts_keep_their_time,
    "I11 nothing while open": nothing_while_open,
    "I12 deliveries move as allowed": deliveries_move_as_allowed,
    "I12 replays are one delivery": replays_are_one_delivery,
}
