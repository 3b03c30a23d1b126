"""What must hold at the end of every run, whatever happened: one function each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from tests.simulation import deliveries, leaver, waits
from tests.simulation.agreement import counts_are_items, devices_agree
from tests.simulation.asked import attempts, decisions_of, first_calls, meant, standing
from tests.simulation.final import Final
from tests.simulation.history import History, Operation
from tests.simulation.paused import nothing_while_paused
from tests.simulation.shop import CATEGORY, LANE
from tests.simulation.tracing import planned, tokens
from tocsin.domain.channels import INBOX
from tocsin.domain.delivery import State, allowed
from tocsin.domain.preferences_read import read_preferences
from tocsin.domain.quiet_hours import held_until
from tocsin.domain.reasons import Outcome, Reason, Verdict
from tocsin.domain.records import Item, Plan, Release

Invariant = Callable[[History, Final], list[str]]

_MEANT = {
    Verdict.SEND: State.SENT,
    Verdict.DEFER: State.DEFERRED,
    Verdict.SUPPRESS: State.SUPPRESSED,
    Verdict.EXPIRE: State.EXPIRED,
    Verdict.CANCEL: State.CANCELLED,
}
"""What a decision about an inbox delivery makes of it."""


def check(history: History, final: Final) -> list[str]:
    """Return every violation, each with the name of its invariant."""
    return [
        f"{name}: {found}"
        for name, invariant in INVARIANTS.items()
        for found in invariant(history, final)
    ]


# ---------------------------------------------------------------- the invariants


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
            ends = sum(d.verdict is not Verdict.DEFER for d in made)
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


def nothing_unexpected(history: History, final: Final) -> list[str]:
    """I3: nobody has an item that no call meant for her, or with another's text."""
    best = standing(history)
    found = []
    for person, items in final.inboxes.items():
        for item in items:
            item_sent = best.get(item.token)
            if item_sent is None or (item.workflow, person) not in meant(item_sent[0]):
                found.append(f"{person} has {item.token} of {item.workflow}")
            elif item.body[:40] != _text(item_sent[0], item.workflow, person)[:40]:
                found.append(f"{person} reads {item.body[:40]!r} in {item.token}")
    return found


def _text(item: dict[str, Any], workflow: str, person: str) -> str:
    if workflow == "hello":
        return f"Hello {person.upper()}" if person.startswith("p") else "Hello "
    own = [
        term["data"]["note"]
        for term in item.get("recipients", ())
        if isinstance(term, dict) and term.get("id") == person and "data" in term
    ]
    return str(own[0] if own else item["data"]["note"]).strip()


def nothing_twice(history: History, final: Final) -> list[str]:
    """I4: no inbox shows the same twice."""
    found = []
    for person, items in final.inboxes.items():
        seen = Counter((item.token, item.workflow) for item in items)
        found += [f"{person} has {key} {n} times" for key, n in seen.items() if n > 1]
    return found


def shown_as_decided(history: History, final: Final) -> list[str]:
    """I4: an inbox holds exactly what was decided to be sent and has not expired."""
    named = tokens(final)
    sent: dict[str, set[tuple[str, str]]] = defaultdict(set)
    ending: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for each in planned(final):
        if each.decision.verdict is not Verdict.SEND:
            continue
        run = next(r for r in each.plan.runs if r.workflow == each.workflow)
        alive = run.expires_ms is None or run.expires_ms > final.now_ms
        into = sent if alive else ending
        into[each.recipient_id].add((named.get(each.event, "?"), each.workflow))
    found = []
    for person, items in final.inboxes.items():
        shown = {(item.token, item.workflow) for item in items}
        found += [f"{person} misses {key}" for key in sent[person] - shown]
        found += [f"{person} still has {key}" for key in shown & ending[person] - sent[person]]
    return found


def in_order(history: History, final: Final) -> list[str]:
    """I5: of one person and workflow, what was acknowledged before comes before."""
    named, deferred = tokens(final), _deferred(final)
    at: dict[tuple[str, str, str], tuple[int, int]] = {}
    for place in final.items:
        item: Item = place.record
        token = _token_of_item(named, item)
        at.setdefault((item.recipient_id, place.lane, token), (place.partition, place.position))
    done: dict[str, tuple[int, int]] = {}
    for token, _, call, outcome in attempts(history):
        if outcome == "ok":
            begun, ended = done.get(token, (call.begun, call.ended))
            done[token] = (min(begun, call.begun), min(ended, call.ended))
        else:
            done.setdefault(token, (call.begun, 10**9))
    found = []
    alone = _single_recipient(history)
    keys = [key for key in at if key[2] in alone and key not in deferred and key[2] in done]
    for first in keys:
        for second in keys:
            before = first[:2] == second[:2] and done[first[2]][1] < done[second[2]][0]
            if before and at[first] > at[second]:
                found.append(f"{first[0]}: {second[2]} came before {first[2]}")
    return found


def _single_recipient(history: History) -> set[str]:
    """Return the tokens of events whose call names exactly one recipient."""
    return {
        token
        for token, item, _, _ in attempts(history)
        if len(item.get("recipients", ())) == 1 and "group" not in item["recipients"][0]
    }


def _deferred(final: Final) -> set[tuple[str, str, str]]:
    named = tokens(final)
    return {
        (each.recipient_id, each.lane, named.get(each.event, "?"))
        for each in planned(final)
        if each.decision.verdict is Verdict.DEFER
    }


def _token_of_item(named: dict[bytes, str], item: Item) -> str:
    prefix = item.key[:10]
    return next((token for key, token in named.items() if key[:10] == prefix), "?")


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


def refusals_hold(history: History, final: Final) -> list[str]:
    """I7: who left before an event was sent is not shown it."""
    left = history.of("suppress", "ok") + history.of("opt-out", "ok")
    begun = first_calls(history)
    found = []
    for person, items in final.inboxes.items():
        for item in items:
            for said in left:
                if said.what["person"] != person or not said.before(begun[item.token]):
                    continue
                if _concerns(said, item.workflow):
                    found.append(f"{person} left ({said.kind}) and was shown {item.token}")
    return found


def _concerns(said: Operation, workflow: str) -> bool:
    if said.kind == "suppress":
        return True
    return LANE[workflow] != "critical" and said.what["category"] == CATEGORY[workflow]


def cancelled_is_not_shown(history: History, final: Final) -> list[str]:
    """I7: whoever was told ``cancelled`` is right: nothing of it is shown."""
    keys = {
        token: item["cancellation_key"]
        for token, (item, _) in standing(history).items()
        if "cancellation_key" in item
    }
    begun = first_calls(history)
    found = []
    for call in history.of("cancel", "ok"):
        key, verdicts = call.what["key"], call.answer
        for person, items in final.inboxes.items():
            for item in items:
                if keys.get(item.token) != key:
                    continue
                # What was sent after the cancel, with a time of its own, is not meant.
                if verdicts.get(person) == "cancelled" and begun[item.token].ended < call.begun:
                    found.append(f"{person} was told that {item.token} is cancelled, and has it")
    return found


def quiet_is_kept(history: History, final: Final) -> list[str]:
    """I8: nothing that can wait becomes visible in a person's quiet hours."""
    hours = history.of("quiet")
    named = tokens(final)
    begun = first_calls(history)
    found = []
    for place in final.items:
        item: Item = place.record
        token = _token_of_item(named, item)
        if place.lane == "critical" or token not in begun:
            continue
        mine = [h for h in hours if h.what["person"] == item.recipient_id]
        # What may have changed meanwhile says nothing.
        if len(mine) != 1 or not mine[0].before(begun[token]):
            continue
        windows = read_preferences(mine[0].what["body"]).quiet_hours
        if held_until(windows, None, item.visible_ms) is not None:
            found.append(f"{item.recipient_id} was shown {token} at {item.visible_ms}, in silence")
    return found


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


INVARIANTS: dict[str, Invariant] = {
    **deliveries.INVARIANTS,
    "I1 settles once": settles_once,
    "I1 no excuses": no_excuses,
    "I1 ledger agrees": ledger_agrees,
    "I2 refused leave nothing": refused_leave_nothing,
    "I15 nothing while paused": nothing_while_paused,
    "I3 nothing unexpected": nothing_unexpected,
    "I4 nothing twice": nothing_twice,
    "I4 shown as decided": shown_as_decided,
    "I5 in order": in_order,
    "I6 one effect per key": one_effect_per_key,
    "I7 refusals hold": refusals_hold,
    "I7 cancelled is not shown": cancelled_is_not_shown,
    "I8 quiet is kept": quiet_is_kept,
    "I9 goes on or not": waits.goes_on_or_not,
    "I9 what was met is over": waits.what_was_met_is_over,
    "I10 timers fire once": timers_fire_once,
    "I10 intervals end once": waits.intervals_end_once,
    "I7 erased are not called": leaver.erased_are_not_called,
    "I12 moves are allowed": moves_are_allowed,
    "I12 trail is whole": trail_is_whole,
    "I13 devices agree": devices_agree,
    "I13 counts are items": counts_are_items,
    "audit balances": audit_balances,
    "plans match inputs": plans_match_inputs,
}
