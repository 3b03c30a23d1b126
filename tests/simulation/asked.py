"""What the clients asked for, and what was decided, by tokens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.simulation.final import Final
from tests.simulation.history import History, Operation
from tests.simulation.producers import expected_people, token_of
from tests.simulation.shop import TAKING
from tests.simulation.tracing import planned, tokens
from tocsin.domain.decision import Decision


def attempts(history: History) -> Iterator[tuple[str, dict[str, Any], Operation, str]]:
    """Yield (token, item, call, what it came to) for every item of every call to send."""
    for call in history.of("send"):
        for place, item in enumerate(call.what["items"]):
            outcome = call.outcome
            if outcome == "ok" and call.answer[place] is None:
                outcome = "fail"
            yield token_of(item), item, call, outcome


def first_calls(history: History) -> dict[str, Operation]:
    """Return token → the first call that sent it."""
    begun: dict[str, Operation] = {}
    for token, _, call, _ in attempts(history):
        begun.setdefault(token, call)
    return begun


def standing(history: History) -> dict[str, tuple[dict[str, Any], str]]:
    """Return token → (item, ok | info | fail): the best that any attempt came to."""
    rank = {"fail": 0, "info": 1, "ok": 2}
    found: dict[str, tuple[dict[str, Any], str]] = {}
    for token, item, _, outcome in attempts(history):
        if token not in found or rank[outcome] > rank[found[token][1]]:
            found[token] = (item, outcome)
    return found


def meant(item: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the (workflow, recipient) pairs that an item means."""
    return {(w, p) for w in TAKING[item["type"]] for p in expected_people(item)}


def decisions_of(final: Final) -> dict[tuple[str, str, str], list[Decision]]:
    """Return (token, workflow, recipient) → its decisions in the order of the log."""
    named = tokens(final)
    found: dict[tuple[str, str, str], list[Decision]] = defaultdict(list)
    for each in planned(final):
        key = (named.get(each.event, "?"), each.workflow, each.recipient_id)
        found[key].append(each.decision)
    return found
