"""After the faults: what clients were told against what arrived outside, and what the ledger says."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tests.faults.checker import Verdict, inbox, settled
from tests.faults.history import History, Sent
from tests.faults.outside import Outside
from tests.faults.outside_load import (
    DOOMED,
    PEOPLE,
    READER,
    SILENT,
    STATUS_PATH,
    STEPS,
    email_of,
    webhook_of,
)
from tests.faults.server import HANG_S, Caller, Server
from tocsin.domain.delivery import OPEN
from tocsin.ports.simulator import Received

_TITLES: Final = {"email": "subject", "webhook": "title"}
_PERSON: Final = {of(person): person for person in PEOPLE for of in (email_of, webhook_of)}


class Trail(NamedTuple):
    """What the ledger says of one delivery."""

    channel: str
    state: str
    attempts: int
    unknown: int
    """Attempts of which nobody heard whether the message was taken."""


class Counts(NamedTuple):
    """What there was, to be printed."""

    deliveries: int
    unknown: int
    repeats: int


Trails = Mapping[str, Trail]
Shown = Mapping[str, Sequence[Mapping[str, Any]]]


def expected(event: Sent, history: History, person: str, channel: str) -> tuple[int, int]:
    """Return how many messages of *event* at least, and at most, *person* must get."""
    refused = channel == "email" and person == DOOMED
    silent = channel == "email" and person == SILENT
    if person not in event.people or channel not in STEPS[event.type] or refused or silent:
        return 0, 0
    if event.known == "fail" or event.key in history.cancelled:
        return 0, 0
    after_wait = "wait" in STEPS[event.type] and channel != "inbox"
    perhaps = event.key in history.cancels or (after_wait and person == READER)
    return 0 if event.known == "info" or perhaps else 1, 1


def compare(history: History, taken: Sequence[Received], shown: Shown, trails: Trails) -> Verdict:
    """Compare what arrived with what clients were told and with what the ledger says."""
    wrong = lost(history, taken)
    wrong += _too_much(history, taken)
    _check_inboxes(history, shown, wrong)
    _check_ledger(taken, trails, wrong)
    return wrong


def lost(history: History, taken: Iterable[Received]) -> Verdict:
    """Return what was promised and did not arrive."""
    arrived = {_place(each) for each in taken if not _is_status(each)}
    return Verdict(
        f"{person} got no {channel} about {event.id} ({event.type})"
        for event in history.events.values()
        for person in event.people
        for channel in _TITLES
        if expected(event, history, person, channel)[0]
        and (event.id, person, channel) not in arrived
    )


def _too_much(history: History, taken: Iterable[Received]) -> list[str]:
    """One message may come twice; two messages about one event are one too many."""
    references: dict[tuple[str, str, str], set[str]] = {}
    for each in taken:
        if not _is_status(each):
            references.setdefault(_place(each), set()).add(each.reference)
    wrong = []
    for (title, person, channel), of in references.items():
        event = history.events.get(title)
        most = 0 if event is None else expected(event, history, person, channel)[1]
        if len(of) > most:
            wrong.append(f"{person} got {len(of)} {channel} about {title}, at most {most}: {event}")
    return wrong


def _check_inboxes(history: History, shown: Shown, wrong: Verdict) -> None:
    for person, items in shown.items():
        times = Counter(str(item["title"]) for item in items)
        wrong += [f"{person} sees {t}, which nobody sent" for t in set(times) - set(history.events)]
        for event in history.events.values():
            least, most = expected(event, history, person, "inbox")
            if not least <= times[event.id] <= most:
                wrong.append(f"{person} sees {event.id} {times[event.id]} times: {event}")


def _check_ledger(taken: Sequence[Received], trails: Trails, wrong: Verdict) -> None:
    """What arrived twice was unknown so often; what was sent arrived, and the rest did not."""
    arrived = Counter(each.reference for each in taken if not _is_status(each))
    for reference, times in arrived.items():
        trail = trails.get(reference)
        if trail is None:
            wrong.append(f"the ledger does not know {reference}, which arrived")
        elif times > trail.unknown + (trail.state == "sent"):
            wrong.append(f"{reference} arrived {times} times: {trail}")
    for reference, trail in trails.items():
        if trail.channel in _TITLES and trail.state == "sent" and not arrived[reference]:
            wrong.append(f"{reference} never arrived: {trail}")
        if trail.state in OPEN:
            wrong.append(f"{reference} never settled: {trail}")


def untold(taken: Iterable[Received], trails: Trails) -> Verdict:
    """Return what the status webhook was not told."""
    told = {
        (status["delivery"], status["state"])
        for each in taken
        if _is_status(each)
        for status in msgspec.json.decode(each.raw.partition(b"\r\n\r\n")[2])["data"]["statuses"]
    }
    return Verdict(
        f"nobody was told that {delivery} is {trail.state}"
        for delivery, trail in trails.items()
        if (delivery, trail.state) not in told
    )


def counts_of(taken: Iterable[Received], trails: Trails) -> Counts:
    """Count deliveries to the outside, unknown attempts, and messages that came once more."""
    arrived = Counter(each.reference for each in taken if not _is_status(each))
    outside = [trail for trail in trails.values() if trail.channel in _TITLES]
    unknown = sum(trail.unknown for trail in outside)
    return Counts(len(outside), unknown, arrived.total() - len(arrived))


def _is_status(message: Received) -> bool:
    return message.to.endswith(STATUS_PATH)


def _place(message: Received) -> tuple[str, str, str]:
    title = message.content.get(_TITLES[message.channel], "")
    return title, _PERSON.get(message.to, message.to), message.channel


class OutsideChecker:
    """Compares after each life; what has settled is not asked for again."""

    def __init__(self, server: Server, outside: Outside, history: History) -> None:
        self._server = server
        self._outside = outside
        self._history = history
        self._trails: dict[str, Trail] = {}

    def check(self) -> Verdict:
        """Wait until nothing is under way, then compare."""
        settled(self._server)
        self._until(lambda: lost(self._history, self._outside.taken()))
        settled(self._server)
        self._read()
        wrong = self._until(lambda: untold(self._outside.taken(), self._trails))
        shown = {person: inbox(self._server, person) for person in PEOPLE}
        wrong += compare(self._history, self._outside.taken(), shown, self._trails)
        with self._server.caller() as call:
            audit = call("GET", "/v1/audit?since=1h").body
        if not audit["balanced"] or audit["missing"] or audit["violations"] or audit["pending"]:
            wrong.append(f"the audit does not balance: {audit}")
        return wrong

    def counts(self) -> Counts:
        """Return what there was until now."""
        return counts_of(self._outside.taken(), self._trails)

    def _until(self, complaints: Callable[[], Verdict]) -> Verdict:
        """Return what is still wrong when nothing is, or when waiting has no more sense."""
        deadline = time.monotonic() + HANG_S
        while (wrong := complaints()) and time.monotonic() < deadline:
            self._server.pause(0.05)
        return Verdict(wrong)

    def _read(self) -> None:
        """Ask the ledger about all that it names and all that arrived, unless it had settled."""
        arrived = Counter(each.reference for each in self._outside.taken() if not _is_status(each))
        again = {f"ntf_{each[4:36]}" for each, times in arrived.items() if times > 1}
        again |= {f"ntf_{each[4:36]}" for each in arrived if each not in self._trails}
        with self._server.caller() as call:
            for person in PEOPLE:
                again |= self._listed(call, person)
            for notification in sorted(again):
                detail = call("GET", f"/v1/notifications/{notification}")
                if detail.status == 200:
                    self._trails.update(_trails_of(detail.body))

    def _listed(self, call: Caller, person: str) -> set[str]:
        """Return the notifications of *person* with deliveries that are not known to be over."""
        over = {key for key, trail in self._trails.items() if trail.state not in OPEN}
        found: set[str] = set()
        path = f"/v1/notifications?recipient={person}&limit=100"
        page = call("GET", path).body
        while True:
            for item in page["items"]:
                if not {each["id"] for each in item["deliveries"]} <= over:
                    found.add(item["id"])
            if not page.get("next"):
                return found
            page = call("GET", f"{path}&cursor={page['next']}").body


def _trails_of(detail: Mapping[str, Any]) -> dict[str, Trail]:
    trails = {}
    for delivery in detail["deliveries"]:
        trail = detail["attempts"].get(delivery["id"], ())
        trails[delivery["id"]] = Trail(
            delivery["channel"],
            delivery["state"],
            sum(each["kind"] == "attempt" for each in trail),
            sum(each["kind"] == "outcome" and not each["known"] for each in trail),
        )
    return trails
