"""That everybody sees the same inbox: devices, lists and counts."""

from __future__ import annotations

from tests.simulation.final import Final
from tests.simulation.history import History


def devices_agree(history: History, final: Final) -> list[str]:
    """I13: what each device shows is what the store holds, states and counts included."""
    found = []
    for name, (person, shown, counts) in final.devices.items():
        stored = {item.id: item.flags for item in final.inboxes.get(person, ())}
        ids = {id for id in shown.keys() | stored.keys() if shown.get(id) != stored.get(id)}
        some = [(id, shown.get(id), stored.get(id)) for id in sorted(ids - final.mortal)]
        if some:
            found.append(f"{name} of {person} shows {some[:2]}")
        mortal = any(id in final.mortal for id in shown.keys() | stored.keys())
        if counts is not None and not mortal:
            told = (counts["unseen"], counts["unread"])
            if told != final.counts[person]:
                found.append(f"{name} was told {told}, the store counts {final.counts[person]}")
    return found


def counts_are_items(history: History, final: Final) -> list[str]:
    """I13: the counts are those of the items."""
    found = []
    for person, items in final.inboxes.items():
        visible = [item.flags for item in items if "archived_at" not in item.flags]
        unseen = sum("seen_at" not in flags for flags in visible)
        unread = sum("read_at" not in flags for flags in visible)
        if final.counts[person] != (unseen, unread):
            found.append(f"{person} counts {final.counts[person]}, has {(unseen, unread)}")
    return found
