"""How long what is critical may take, in virtual time, whatever else there is to do."""

from __future__ import annotations

from tests.simulation.asked import attempts
from tests.simulation.final import Final
from tests.simulation.history import History
from tocsin.domain.records import Item

BOUND_MS = 1_000
"""Its way has about ten commits and reads, each of at most 10 ms where the disk has no fault."""


def critical_is_prompt(history: History, final: Final) -> list[str]:
    """
    I14: a critical item is visible within the bound after it was acknowledged.

    Where nothing excuses it: disk faults, a process that died meanwhile, a clock that jumped, a
    pause of the inbox.
    """
    inbox = any(pause.what["scope"] == {"channel": "inbox"} for pause in history.of("pause"))
    if history.disturbed or inbox:
        return []
    acknowledged: dict[str, int] = {}
    for token, item, call, outcome in attempts(history):
        if outcome == "ok" and item["type"] == "alert":
            acknowledged.setdefault(token, call.ended_ms)
    subjects = final.tokens_by_prefix
    found = []
    for place in final.items:
        item_: Item = place.record
        since_ms = acknowledged.get(subjects.get(item_.key[:10], ""))
        if place.lane != "critical" or since_ms is None:
            continue
        late = item_.visible_ms - since_ms > BOUND_MS
        if late and not any(since_ms <= at_ms <= item_.visible_ms for at_ms in history.deaths_ms):
            found.append(f"an alert of {since_ms} was visible at {item_.visible_ms}")
    return found
