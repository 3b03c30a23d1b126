"""What must hold of calls to vendors: when, about what, to whom, signed, and told to nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.simulation.asked import first_calls, meant, standing
from tests.simulation.final import Final
from tests.simulation.history import History, Operation
from tests.simulation.inboxes import text_of
from tests.simulation.shop import CATEGORY, LANE
from tests.simulation.tracing import Placed, decided
from tests.simulation.vendor import CHANNEL, address_of
from tocsin.domain.delivery import State
from tocsin.domain.ids import generation_of, show_delivery
from tocsin.domain.preferences_read import read_preferences
from tocsin.domain.quiet_hours import held_until
from tocsin.domain.records import Attempt

CANARY = "canary"
"""In every address, secret and text of the simulation; no log line and no metric holds it."""


def refused_events_are_not_called(history: History, final: Final) -> list[str]:
    """I2: nobody is called about an event that was refused."""
    best = standing(history)
    return [
        f"{call.address} was called about {call.title}, which was refused"
        for call in final.calls
        if best.get(call.title, ({}, "ok"))[1] == "fail"
    ]


def calls_say_what_was_sent(history: History, final: Final) -> list[str]:
    """I3: each call is about what a producer sent, for somebody it meant, in its words."""
    best = standing(history)
    names = {address_of(person): person for person in final.ids.values()}
    found = []
    for call in final.calls:
        item = best.get(call.title, ({}, ""))[0]
        person = names.get(call.address)
        if not item or person is None:
            continue  # the leaver's, whom no producer knows
        own = {workflow for workflow, someone in meant(item) if someone == person}
        if not own & {"ring", "follow"} or call.body[:40] != text_of(item, "ring", person)[:40]:
            found.append(f"{person} was told {call.body[:40]!r} about {call.title}")
    return found


def cancelled_are_not_called(history: History, final: Final) -> list[str]:
    """I7: what is ``cancelled`` no provider has, and whoever was told so was not called at all."""
    gone = {show_delivery(d) for d, one in final.carried.items() if one.state == State.CANCELLED}
    taken = [call for call in final.calls if call.taken and call.reference in gone]
    found = [f"{call.reference} is cancelled, and was taken" for call in taken]
    begun = first_calls(history)
    keys = {token: item.get("cancellation_key") for token, (item, _) in standing(history).items()}
    return found + [
        f"{person} was told that {call.title} is cancelled, and was called"
        for said in history.of("cancel", "ok")
        for person, verdict in said.answer.items()
        if verdict == "cancelled"
        for call in final.calls
        if call.address == address_of(person)
        and keys.get(call.title) == said.what["key"]
        and begun[call.title].ended < said.begun
    ]


def opted_out_are_not_called(history: History, final: Final) -> list[str]:
    """I7: who switched a category off on this channel before an event is not called about it."""
    begun = first_calls(history)
    lanes = _by_reference(final)
    found = []
    for said in history.of("opt-out", "ok"):
        ((category, channels),) = said.what["body"]["categories"].items()
        if CHANNEL not in channels:
            continue
        for call in final.calls:
            if call.reference not in lanes:
                continue
            workflow = lanes[call.reference].record.workflow
            concerned = CATEGORY[workflow] == category and LANE[workflow] != "critical"
            mine = call.address == address_of(said.what["person"])
            if concerned and mine and call.title in begun and said.before(begun[call.title]):
                found.append(f"{call.address} was called about {call.title} after an opt-out")
    return found


def nobody_is_called_in_silence(history: History, final: Final) -> list[str]:
    """I8: no call is decided on in a person's quiet hours."""
    begun = first_calls(history)
    titles = {call.reference: call.title for call in final.calls}
    handed = _by_reference(final)
    found = []
    for each in _attempts(final):
        title = titles.get(each.reference)
        if each.reference not in handed:
            continue
        person = final.ids.get(handed[each.reference].record.recipient)
        said = [h for h in history.of("quiet") if h.what["person"] == person]
        # What may have changed meanwhile says nothing.
        if title not in begun or len(said) != 1 or not said[0].before(begun[title]):
            continue
        windows = read_preferences(said[0].what["body"]).quiet_hours
        if held_until(windows, None, each.at_ms) is not None:
            found.append(f"{person} was called about {title} at {each.at_ms}, in silence")
    return found


def nobody_is_called_too_late(history: History, final: Final) -> list[str]:
    """I8: no call is decided on after its message has expired."""
    ends = {
        each.delivery: run.expires_ms
        for each in decided(final)
        for run in each.plan.runs
        if run.workflow == each.workflow and run.expires_ms is not None
    }
    return [
        f"{each.reference} was tried at {each.at_ms}, and had expired at {ends[each.delivery]}"
        for each in _attempts(final)
        if not generation_of(each.delivery)
        and each.at_ms >= ends.get(each.delivery, each.at_ms + 1)
    ]


def nobody_is_called_in_a_pause(history: History, final: Final) -> list[str]:
    """Paused: what was sent after a pause counts, or where lane or channel stand, is not called."""
    begun = first_calls(history)
    handed = _by_reference(final)
    found = []
    for pause, until_s in _pauses(history):
        scope = pause.what["scope"]
        for call in final.calls:
            place = handed.get(call.reference)
            if place is None:
                continue
            facts = {
                "lane": place.lane,
                "channel": CHANNEL,
                "workflow": place.record.workflow,
                "provider": call.provider,
            }
            if not scope.items() <= facts.items() or call.begun_s >= until_s:
                continue
            sent = begun.get(call.title)
            at_once = scope.keys() & {"lane", "channel"} and call.begun_s > pause.what["from_s"]
            if at_once or (sent is not None and pause.before(sent)):
                found.append(f"{call.reference} was called in the pause of {scope}")
    return found


def _pauses(history: History) -> Iterator[tuple[Operation, float]]:
    ends = {each.what["id"]: each.what["until_s"] for each in reversed(history.of("resume"))}
    for pause in history.of("pause", "ok"):
        yield pause, ends.get(pause.answer, float("inf"))


def owners_follow_one_another(history: History, final: Final) -> list[str]:
    """I12: who has lost a partition writes nothing more: epochs never fall."""
    highest: dict[tuple[str, str, int], int] = {}
    found = []
    for place in sorted(final.outcomes, key=lambda each: (each.partition, each.position)):
        each = place.record
        if not isinstance(each, Attempt):
            continue
        owned = (each.channel, each.lane, place.partition)
        if each.epoch < highest.get(owned, 0):
            found.append(
                f"{each.reference} was tried in epoch {each.epoch}, after {highest[owned]}"
            )
        highest[owned] = max(each.epoch, highest.get(owned, 0))
    return found


def calls_are_signed(history: History, final: Final) -> list[str]:
    """I15: what is called is signed, says an implementation that shares no code with ours."""
    return [f"{call.reference} was not signed" for call in final.calls if not call.signed]


def nothing_private_is_told(history: History, final: Final) -> list[str]:
    """I15: no address, secret or text in logs and metrics."""
    said = [*history.logged, *final.metrics.splitlines()]
    return [f"somebody reads {line[:200]!r}" for line in said if CANARY in line]


def _attempts(final: Final) -> list[Attempt]:
    return [place.record for place in final.outcomes if isinstance(place.record, Attempt)]


def _by_reference(final: Final) -> dict[str, Placed]:
    """Return the hand-offs by reference. Calls without one violate "I3 calls are meant"."""
    return {show_delivery(place.record.delivery): place for place in final.handoffs}


INVARIANTS: dict[str, Callable[[History, Final], list[str]]] = {
    "I2 refused events are not called": refused_events_are_not_called,
    "I3 calls say what was sent": calls_say_what_was_sent,
    "I7 cancelled are not called": cancelled_are_not_called,
    "I7 opted out are not called": opted_out_are_not_called,
    "I8 nobody is called in silence": nobody_is_called_in_silence,
    "I8 nobody is called too late": nobody_is_called_too_late,
    "I12 owners follow one another": owners_follow_one_another,
    "I15 calls are signed": calls_are_signed,
    "I15 nothing private is told": nothing_private_is_told,
    "paused, nobody is called": nobody_is_called_in_a_pause,
}
