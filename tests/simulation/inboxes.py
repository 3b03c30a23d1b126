"""What must hold of inboxes: what people are shown, and when."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from tests.simulation.asked import attempts, first_calls, meant, standing
from tests.simulation.final import Final
from tests.simulation.history import History, Operation
from tests.simulation.shop import CATEGORY, LANE
from tests.simulation.tracing import planned, tokens
from tocsin.domain.preferences_read import read_preferences
from tocsin.domain.quiet_hours import held_until
from tocsin.domain.reasons import Verdict
from tocsin.domain.records import Item


def nothing_unexpected(history: History, final: Final) -> list[str]:
    """I3: nobody has an item that no call meant for her, or with another's text."""
    best = standing(history)
    found = []
    for person, items in final.inboxes.items():
        for item in items:
            item_sent = best.get(item.token)
            if item_sent is None or (item.workflow, person) not in meant(item_sent[0]):
                found.append(f"{person} has {item.token} of {item.workflow}")
            elif item.body[:40] != text_of(item_sent[0], item.workflow, person)[:40]:
                found.append(f"{person} reads {item.body[:40]!r} in {item.token}")
    return found


def text_of(item: dict[str, Any], workflow: str, person: str) -> str:
    """Return what a person is to read."""
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
    if "inbox" not in said.what["body"]["categories"].get(CATEGORY[workflow], {}):
        return False
    return LANE[workflow] != "critical"


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
