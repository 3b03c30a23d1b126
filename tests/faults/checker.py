"""After the faults: what clients were told against what the server shows."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from tests.faults.history import History, Sent
from tests.faults.load import CHOOSER, PEOPLE, READER, SILENT, Follower, choice, token_of
from tests.faults.server import HANG_S, Caller, Server


class Verdict(list[str]):
    """Everything that is wrong, one sentence each; empty when all is well."""


def check(server: Server, history: History, follower: Follower) -> Verdict:
    """Wait until nothing is under way, then compare."""
    settled(server)
    shown = {person: inbox(server, person) for person in PEOPLE}
    wrong = compare(history, shown)
    _check_preference(server, history, wrong)
    _check_follower(follower, shown[PEOPLE[0]], wrong)
    _check_audit(server, wrong)
    return wrong


def compare(history: History, shown: dict[str, list[dict[str, Any]]]) -> Verdict:
    """Compare what people see with what clients were told."""
    wrong = Verdict()
    for event in history.events.values():
        _check_event(event, history, shown, wrong)
    for person, items in shown.items():
        strange = {item["title"] for item in items} - set(history.events)
        wrong += [f"{person} has {title}, which nobody sent" for title in strange]
    _check_states(history, shown[READER], wrong)
    return wrong


def expected(event: Sent, history: History, person: str) -> tuple[int, int]:
    """Return how often at least, and at most, *person* must see *event*."""
    if person not in event.people:
        return 0, 0
    if person == SILENT and event.type != "order.bulk":
        return 0, 0
    if event.key is not None and event.key in history.cancelled:
        return 0, 0
    return {"ok": (1, 1), "info": (0, 1), "fail": (0, 0)}[event.known]


def inbox(server: Server, person: str) -> list[dict[str, Any]]:
    """Return everything that *person*'s inbox shows, over all pages."""
    found: list[dict[str, Any]] = []
    page = ""
    with server.caller() as call:
        token = token_of(call, person)
    with server.caller(token) as reader:
        while True:
            answer = reader("GET", f"/v1/inbox?limit=100{page}")
            assert answer.status == 200, answer
            found += answer.body["items"]
            if not answer.body.get("next"):
                return found
            page = f"&page={answer.body['next']}"


def settled(server: Server) -> None:
    """Return when the log has been read to its end and every fan-out is done."""
    deadline = time.monotonic() + HANG_S
    with server.caller() as call:
        while (why := _under_way(call)) is not None:
            assert time.monotonic() < deadline, f"it never settled: {why}"
            server.pause(0.05)


def _under_way(call: Caller) -> str | None:
    text = call("GET", "/metrics").body.decode()
    for line in text.splitlines():
        if line.startswith("tocsin_backlog_records{") and not line.endswith(" 0.0"):
            return str(line)
    audit = call("GET", "/v1/audit?since=1h").body
    under_way = audit["pending"], audit["settling"], audit["resting"]
    return str(audit) if any(under_way) else None


def _check_event(
    event: Sent, history: History, shown: dict[str, list[dict[str, Any]]], wrong: Verdict
) -> None:
    for person in PEOPLE:
        times = sum(item["title"] == event.id for item in shown[person])
        least, most = expected(event, history, person)
        if times < least:
            wrong.append(f"{person} lost {event.id} ({event.type}, {event.known})")
        if times > most:
            wrong.append(f"{person} has {event.id} {times} times, at most {most} ({event.known})")


def _check_states(history: History, items: list[dict[str, Any]], wrong: Verdict) -> None:
    by_id = {item["id"]: item for item in items}
    for person, id in history.states:
        if by_id.get(id, {}).get("read_at") is None:
            wrong.append(f"{person} had read {id}, and it is not read")


def _check_preference(server: Server, history: History, wrong: Verdict) -> None:
    with server.caller() as call:
        stored = call("GET", f"/v1/recipients/{CHOOSER}/preferences").body
    possible = range(history.preference, history.preferences_tried + 1)
    hours = [choice(number)["quiet_hours"] if number else [] for number in possible]
    if stored.get("quiet_hours") not in hours:
        wrong.append(f"acknowledged preference {history.preference} is {stored}")


def _check_follower(follower: Follower, items: list[dict[str, Any]], wrong: Verdict) -> None:
    follower.catch_up(len(items))
    if follower.resyncs:
        wrong.append(f"the socket was told to read anew {follower.resyncs} times")
    difference = Counter(item["title"] for item in items)
    difference.subtract(follower.shown)
    for title, times in difference.items():
        if times:
            wrong.append(f"the socket showed {title} {-times:+} times beside the inbox")


def _check_audit(server: Server, wrong: Verdict) -> None:
    with server.caller() as call:
        audit = call("GET", "/v1/audit?since=1h").body
    if not audit["balanced"] or audit["missing"] or audit["violations"]:
        wrong.append(f"the audit does not balance: {audit}")
