#!/usr/bin/env python3
"""
Send the orders of a CSV as CloudEvents, in the order of their times, and wait until all is settled.

    python examples/shop/replay.py orders.csv

Every filled date is one event; an order that ended as ``canceled`` or ``unavailable`` is one more,
at the last date of its row. The ids follow from the order, so what is sent twice shows once.
TOCSIN_URL and TOCSIN_KEY say where to; without them, the sandbox in ./data on port 8600.

With ``--clock`` the orders come at their own times: the clock of a sandbox that was started before
them (``tocsin up --clock 2016-09-01``) is moved from one to the next, and a third of the customers
read in their inbox, three quarters of an hour later, that their order is on its way.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import track

Event = dict[str, Any]
Row = Mapping[str, str]

STEPS: Final = (
    ("purchased_at", "order.placed"),
    ("approved_at", "order.approved"),
    ("handed_to_carrier_at", "order.shipped"),
    ("delivered_at", "order.delivered"),
)
CANCELLED: Final = "order.cancelled"
SHIPPED: Final = "order.shipped"
CLOCK: Final = "/v1/sandbox/clock"
READS_AFTER: Final = timedelta(minutes=45)
ENDED: Final = frozenset({"canceled", "unavailable"})
SOURCE: Final = "shop"

_TRIES: Final = 8
_TRY_AGAIN: Final = frozenset({429, 503})
_SETTLED_WITHIN_S: Final = 300


def events_of(row: Row) -> Iterator[Event]:
    """Yield the events of one order, in the order of the columns."""
    dated = [(row[column], kind) for column, kind in STEPS if row[column]]
    if row["status"] in ENDED and dated:
        dated.append((max((at for at, _ in dated), key=datetime.fromisoformat), CANCELLED))
    for at, kind in dated:
        data = {"order_id": row["order_id"], "customer_id": row["customer_id"]}
        if kind == CANCELLED:
            data["status"] = row["status"]
        elif row["estimated_delivery"]:
            data["estimated_delivery"] = row["estimated_delivery"]
        yield {
            "specversion": "1.0",
            "id": f"{row['order_id']}/{kind}",
            "source": SOURCE,
            "type": kind,
            "subject": row["order_id"],
            "time": at,
            "datacontenttype": "application/json",
            "data": data,
        }


def in_order(rows: Iterable[Row]) -> list[Event]:
    """Return the events of all orders by time; equal times stay in the order of the file."""
    events = [event for row in rows for event in events_of(row)]
    return sorted(events, key=lambda event: datetime.fromisoformat(event["time"]))


class Server:
    """One connection to Tocsin."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if parts.scheme not in kinds or not parts.hostname:
            sys.exit(f"{url} is no address of a server")
        self._connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=60)
        self._prefix = parts.path.rstrip("/")
        self._key = key
        self.ids: dict[str, str] = {}
        """The server's id of each event that it has accepted, by ours."""

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        media: str = "",
        *,
        key: str | None = None,
    ) -> Any:
        """
        Return the answer's JSON.

        Whatever leaves it open whether the request was handled is tried again: each event has an
        id, so sending it twice does what sending it once does.
        """
        headers = {"Authorization": f"Bearer {key or self._key}"}
        if media:
            headers["Content-Type"] = media
        problem = ""
        for number in range(_TRIES):
            try:
                self._connection.request(method, self._prefix + path, body=body, headers=headers)
                response = self._connection.getresponse()
                text = response.read()
            except (OSError, http.client.HTTPException) as failed:
                self._connection.close()
                wait_s, problem = 0.1 * 2**number, str(failed)
            else:
                if response.status < 400:
                    return json.loads(text) if text else None
                problem = f"{response.status}: {text.decode(errors='replace')}"
                if response.status not in _TRY_AGAIN:
                    break
                wait_s = float(response.headers.get("Retry-After") or 0.1 * 2**number)
            time.sleep(wait_s)
        sys.exit(f"{method} {path} failed: {problem}")

    def send(self, events: Sequence[Event]) -> Counter[str]:
        """Send one batch; count what became of its events."""
        body = json.dumps(events).encode()
        answer = self.call("POST", "/v1/events", body, "application/cloudevents-batch+json")
        counted: Counter[str] = Counter()
        for event, outcome in zip(events, answer["events"], strict=True):
            if outcome.get("id") is None:
                counted["refused"] += 1
                print(f"{event['id']} was refused: {outcome}", file=sys.stderr)
            else:
                counted["duplicates" if outcome["duplicate"] else "accepted"] += 1
                self.ids.setdefault(event["id"], outcome["id"])
        return counted

    def ask(self, method: str, path: str, document: object) -> Any:
        """Make a request with a JSON document."""
        return self.call(method, path, json.dumps(document).encode(), "application/json")

    def settled(self, since: str) -> Any:
        """Return the audit as soon as no event waits and all that was planned has an outcome."""
        until = time.monotonic() + _SETTLED_WITHIN_S
        while True:
            audit = self.call("GET", f"/v1/audit?since={since}")
            waiting = sum(line["waiting"] for line in audit["events"].values())
            if waiting == 0 and audit["pending"] == 0 and audit["settling"] == 0:
                return audit
            if time.monotonic() > until:
                sys.exit("the server has not settled everything, see `tocsin audit`")
            time.sleep(0.2)


def prepare(server: Server, rows: Iterable[Row]) -> None:
    """Let every customer have an email address, and the warehouse a URL."""
    people = sorted({row["customer_id"] for row in rows})
    lines = [json.dumps({"id": each, "email": f"{each}@customers.example"}) for each in people]
    server.call("POST", "/v1/recipients/import", "\n".join(lines).encode(), "application/x-ndjson")
    warehouse = server.ask("PUT", "/v1/recipients/warehouse", {"name": "The warehouse"})
    if not warehouse["addresses"]:
        address = {"channel": "webhook", "address": "https://warehouse.example/hooks"}
        server.ask("POST", "/v1/recipients/warehouse/addresses", address)


class Clock:
    """The sandbox's clock, moved from one moment to the next; it flows in between."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._take(server.call("GET", CLOCK))

    def reach(self, at: datetime) -> None:
        """Move to *at*, unless it is past already: then what happened was less than a wink ago."""
        flowed = timedelta(seconds=time.monotonic() - self._asked_s)
        if at > self.now + flowed:
            self._take(self._server.ask("POST", CLOCK, {"set": at.isoformat()}))

    def advance(self, by: str) -> None:
        """Move on, and let all that comes due be done."""
        self._take(self._server.ask("POST", CLOCK, {"advance": by}))

    def _take(self, face: Any) -> None:
        self.now, self._asked_s = datetime.fromisoformat(face["now"]), time.monotonic()


def reads(event: Event) -> bool:
    """Whether this customer looks into the inbox soon after: one of three does."""
    return event["type"] == SHIPPED and int(event["subject"][:8], 16) % 3 == 0


def moments(events: Sequence[Event]) -> list[tuple[datetime, list[Event], list[Event]]]:
    """Return, in order, when something happens: the events of that time, and who reads then."""
    found: dict[datetime, tuple[list[Event], list[Event]]] = {}
    for event in events:
        at = datetime.fromisoformat(event["time"]).astimezone(UTC)
        found.setdefault(at, ([], []))[0].append(event)
        if reads(event):
            found.setdefault(at + READS_AFTER, ([], []))[1].append(event)
    return [(at, *found[at]) for at in sorted(found)]


def replay_on_clock(server: Server, events: Sequence[Event]) -> Counter[str]:
    """Let the orders happen at their own times, each sent twice, as a careful shop might."""
    total: Counter[str] = Counter()
    clock, all_moments = Clock(server), moments(events)
    if clock.now > all_moments[0][0]:
        sys.exit(f"it is {clock.now} there already: start a new folder with tocsin up --clock")
    for at, happening, reading in track(all_moments, "Time goes by", console=Console(stderr=True)):
        clock.reach(at)
        for event in reading:
            read_inbox(server, event["data"]["customer_id"])
        if happening:
            total += server.send(happening)
            total += server.send(happening)
    # The last wait is over, and the last letter sent.
    clock.advance("3h")
    return total


def read_inbox(server: Server, customer: str) -> None:
    """Do what the shop's page does for a customer who opens the inbox."""
    token = server.ask("POST", "/v1/tokens", {"recipient": customer})["token"]
    server.call("POST", "/v1/inbox/read-all", b"{}", "application/json", key=token)


def replay(server: Server, events: Sequence[Event], *, batch: int, rate: float) -> Counter[str]:
    """Send *events* in batches, not faster than *rate* a second (0: as fast as they are taken)."""
    total: Counter[str] = Counter()
    begun = time.monotonic()
    places = range(0, len(events), batch)
    for place in track(places, "Sending orders", console=Console(stderr=True)):
        if rate:
            time.sleep(max(0.0, begun + place / rate - time.monotonic()))
        total += server.send(events[place : place + batch])
    return total


def show(total: Counter[str], audit: Any) -> None:
    """Print what was sent, and the lines of the audit."""
    print(" ".join(f"{name}={total[name]}" for name in ("accepted", "duplicates", "refused")))
    for lane, line in audit["events"].items():
        print(f"events {lane}: " + " ".join(f"{name}={n}" for name, n in line.items()))
    for lane, channels in audit["deliveries"].items():
        for channel, line in channels.items():
            counts = " ".join(f"{name}={n}" for name, n in line.items())
            print(f"deliveries {lane} {channel}: {counts}")
    print(audit["sentence"])


def show_questions(server: Server, events: Sequence[Event]) -> None:
    """Print what one might ask now: of an order that was read about in time, and of others."""
    shipped = [event for event in events if event["type"] == SHIPPED]
    asked = {
        "read in time, so no email": [event for event in shipped if reads(event)],
        "not read, so an email after two hours": [e for e in shipped if not reads(e)],
        "cancelled": [event for event in events if event["type"] == CANCELLED],
    }
    for why, found in asked.items():
        for event in found[:1]:
            id, customer = server.ids[event["id"]], event["data"]["customer_id"]
            print(f"{why}: tocsin explain {id} {customer}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Send the orders of a CSV as CloudEvents.")
    parser.add_argument("file", type=Path, help="CSV with the columns that generate.py writes")
    parser.add_argument("--rate", type=float, default=0, help="most events a second (no limit)")
    parser.add_argument("--batch", type=int, default=100, help="events in one request (100)")
    parser.add_argument("--clock", action="store_true", help="at their own times, see above")
    arguments = parser.parse_args()
    with arguments.file.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    events = in_order(rows)
    url = os.environ.get("TOCSIN_URL", "http://127.0.0.1:8600")
    key = os.environ.get("TOCSIN_KEY") or Path("data/sandbox.key").read_text("utf-8").strip()
    server = Server(url, key)
    prepare(server, rows)
    if arguments.clock:
        total = replay_on_clock(server, events)
        audit = server.settled(moments(events)[0][0].strftime("%Y-%m-%dT%H:%M:%SZ"))
    else:
        total = replay(server, events, batch=arguments.batch, rate=arguments.rate)
        audit = server.settled("1h")
    show(total, audit)
    if arguments.clock:
        show_questions(server, events)
    return 1 if total["refused"] or not audit["balanced"] else 0


if __name__ == "__main__":
    sys.exit(main())
