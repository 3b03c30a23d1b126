"""What is paused is not shown: the invariant, apart since it looks at operators' calls alone."""

from __future__ import annotations

import msgspec

from tests.simulation.asked import first_calls
from tests.simulation.final import Final
from tests.simulation.history import History
from tocsin.domain.records import Item


def nothing_while_paused(history: History, final: Final) -> list[str]:
    """Paused: what was sent after a pause counts is not on the log before somebody resumes."""
    begun = first_calls(history)
    ends = {each.what["id"]: each.what["shown"] for each in reversed(history.of("resume"))}
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
            resumed = ends.get(pause.answer)
            if resumed is None or place.position < resumed[place.lane][place.partition]:
                found.append(f"{shown['title']} was shown in the pause of {pause.what['scope']}")
    return found
