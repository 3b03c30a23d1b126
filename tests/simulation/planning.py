"""What must hold of what was accepted and decided: the log, the ledger, timers, the audit."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from tests.simulation.asked import decisions_of, meant, standing
from tests.simulation.final import Final
from tests.simulation.history import History
from tests.simulation.tracing import planned, tokens
from tocsin.app.routing.holding import CANCEL
from tocsin.domain.channels import INBOX
from tocsin.domain.decision import Decision
from tocsin.domain.delivery import State, allowed
from tocsin.domain.reasons import Outcome, Reason, Verdict
from tocsin.domain.records import Plan, Release

_MEANT = {
    Verdict.SEND: State.SENT,
    Verdict.DEFER: State.DEFERRED,
    Verdict.SUPPRESS: State.SUPPRESSED,
    Verdict.EXPIRE: State.EXPIRED,
    Verdict.CANCEL: State.CANCELLED,
}
"""What a decision about an inbox delivery makes of it."""


def settles_once(history: History, final: Final) -> list[str]:
    """I1: each acknowledged event × recipient is decided once, and ends in one outcome."""
    decided = decisions_of(final)
    cancelled = _cancelled(final)
    found = []
    for token, (item, outcome) in standing(history).items():
        if outcome != "ok":
            continue
        for workflow, person in meant(item):
            made = decided.get((token, workflow, person), [])
            ends = sum(d.verdict is not Verdict.DEFER and not _by_row(d) for d in made)
            ends += any(map(_by_row, made))
            # What a cancel took while it waited is never decided again.
            ends += (token, workflow, person) in cancelled and not ends
            if ends != 1:
                found.append(f"{token} {workflow} {person} ended {ends} times: {made}")
    return found


def _cancelled(final: Final) -> set[tuple[str, str, str]]:
    """Return what the ledger says was cancelled."""
    named = tokens(final)
    return {
        (named.get(each.event, "?"), each.workflow, each.recipient_id)
        for each in planned(final)
        if each.delivery in final.settled and final.settled[each.delivery].state == "cancelled"
    }


def no_excuses(history: History, final: Final) -> list[str]:
    """I1: nothing is poison, and nobody is unknown, since no call asks for that."""
    named = tokens(final)
    found = [
        f"{named.get(place.record.event, '?')} is poison: {place.record.detail}"
        for place in final.plans
        if place.record.outcome is Outcome.POISON
    ]
    return found + [
        f"{named.get(each.event, '?')}: {each.recipient_id} is {each.decision.reason}"
        for each in planned(final)
        if each.decision.reason in _EXCUSES
    ]


_EXCUSES = frozenset({Reason.UNKNOWN_RECIPIENT, Reason.RENDER_FAILED, Reason.INVALID_DATA})


def ledger_agrees(history: History, final: Final) -> list[str]:
    """I1: each delivery stands in the ledger as the log decided it, and the sums match."""
    found, total = [], Counter[tuple[str, str, str]]()
    last = {each.delivery: each for each in planned(final)}
    for delivery, each in last.items():
        verdict = each.decision.verdict
        wanted = None if verdict is Verdict.DEFER else str(_MEANT[verdict])
        settled = final.settled.get(delivery)
        state = settled.state if settled is not None else None
        cancelled = wanted is None and state == "cancelled"
        if state != wanted and not cancelled and (state, wanted) != ("delivered", "sent"):
            found.append(f"{delivery.hex()} is {state} in the ledger, {wanted} on the log")
        if state is not None:
            total[each.lane, each.decision.channel, state] += 1
    counted = {key: n for key, n in final.totals.items() if n and key[1] == INBOX}
    if not final.broadcasts and counted != dict(total):
        found.append(f"the ledger counts {counted}, its deliveries are {dict(total)}")
    return found


def refused_leave_nothing(history: History, final: Final) -> list[str]:
    """I2: what was refused is not on the log."""
    best = standing(history)
    return [
        f"{token} was refused and is on the log"
        for token in set(tokens(final).values())
        if best.get(token, ({}, "ok"))[1] == "fail"
    ]


def one_effect_per_key(history: History, final: Final) -> list[str]:
    """I6: all answers under one ``Idempotency-Key`` name the same events."""
    owner = {
        place.record.event: run.owner
        for place in final.plans
        for run in place.record.runs
        if run.outcome is Outcome.ALIAS
    }
    owner |= {p.record.event: p.record.alias_of for p in final.plans if p.record.alias_of}
    named: dict[tuple[str, str], set[tuple[str | None, ...]]] = defaultdict(set)
    for call in history.of("send", "ok"):
        if call.what["key"] is not None:
            ids = tuple(_resolved(owner, id) for id in call.answer)
            named[call.what["by"], call.what["key"]].add(ids)
    return [
        f"{key} was answered with {sorted(map(str, ids))}"
        for key, ids in named.items()
        if len(ids) > 1
    ]


def _resolved(owner: dict[bytes, bytes | None], id: str | None) -> str | None:
    if id is None:
        return None
    key = bytes.fromhex(id[4:])
    return (owner.get(key) or key).hex()


def _by_row(decision: Decision) -> bool:
    """
    Return whether a cancel at the delivery's row said so: whoever meets it there tells of it.

    After a crash that is the event, decided anew, and also the release of its hold, whose timer had
    become durable before.
    """
    return decision.verdict is Verdict.CANCEL and decision.rule == CANCEL


def timers_fire_once(history: History, final: Final) -> list[str]:
    """I10: every timer is answered once, and none that is due is left."""
    answered = Counter(
        place.record.released for place in final.plans if place.record.released is not None
    )
    found = [f"timer {key.hex()} answered {n} times" for key, n in answered.items() if n > 1]
    released = {p.record.key for p in final.inputs if isinstance(p.record, Release)}
    found += [f"release {key.hex()} was not answered" for key in released - set(answered)]
    found += [f"timer {timer.key.hex()} is due and did not fire" for timer in final.due]
    return found


def moves_are_allowed(history: History, final: Final) -> list[str]:
    """I12: deliveries move only as the table of states allows."""
    at: dict[bytes, State] = {}
    found = []
    for each in _by_time(final):
        before, after = at.get(each.delivery, State.PENDING), _MEANT[each.decision.verdict]
        again = before is State.DEFERRED and after in (State.DEFERRED, State.SENT)
        again |= before is State.CANCELLED and _by_row(each.decision)
        if not allowed(before, after) and not again:
            found.append(f"{each.delivery.hex()} went from {before} to {after}")
        at[each.delivery] = after
    return found


def trail_is_whole(history: History, final: Final) -> list[str]:
    """I12: the trail of changes is chained without a break."""
    broken = final.trail_broken_at
    return [] if broken is None else [f"the trail is broken at {broken}"]


def _by_time(final: Final) -> list[Any]:
    # A release lies behind the event in its own partition, or in that of the same number.
    return sorted(planned(final), key=lambda p: (p.lane, p.place.partition, p.place.position))


def audit_balances(history: History, final: Final) -> list[str]:
    """The product's own audit finds nothing missing."""
    audit = final.audit or {}
    return [] if audit.get("balanced") else [f"the audit says {audit}"]


def plans_match_inputs(history: History, final: Final) -> list[str]:
    """Every input has exactly one plan, in its partition and in its order."""
    found = []
    inputs = {(p.lane, p.partition, p.position) for p in final.inputs}
    plans = Counter((p.lane, p.partition, _position(p.record)) for p in final.plans)
    found += [f"no plan for {place}" for place in inputs - plans.keys()]
    found += [f"{n} plans for {place}" for place, n in plans.items() if n > 1]
    return found


def _position(plan: Plan) -> int:
    return plan.position
