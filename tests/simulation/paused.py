"""What is paused is not shown: the invariant, apart since it looks at operators' calls alone."""

from __future__ import annotations

import msgspec

from tests.simulation.asked import first_calls
from tests.simulation.final import Final
from tests.simulation.history import History
from tocsin.domain.records import Item

_NEVER_MS = 10**15


_HELD_UP_MS = 2_000
"""
An item carries the time at which its batch was begun. A store that answers late can hold the batch
up until somebody has resumed, and the pauses are looked at only then.
"""


def nothing_while_paused(history: History, final: Final) -> list[str]:
    """I15: what was sent after a pause was acknowledged is not shown before somebody resumes."""
    if history.set_back:
        # Times of a clock that was set back say nothing about what was first.
        return []
    begun = first_calls(history)
    ends = {each.what["id"]: each.begun_ms for each in reversed(history.of("resume"))}
    found = []
    for place in final.items:
        item: Item = place.record
        shown = msgspec.json.decode(item.body)
        facts = {"lane": place.lane, "channel": "inbox", "workflow": shown["workflow"]}
        for pause in history.of("pause", "ok"):
            sent = begun.get(shown["title"])
            concerned = pause.what["scope"].items() <= facts.items()
            if sent is None or not concerned or not pause.before(sent):
                continue
            if item.visible_ms < ends.get(pause.answer, _NEVER_MS) - _HELD_UP_MS:
                found.append(f"{shown['title']} was shown in the pause of {pause.what['scope']}")
    return found
