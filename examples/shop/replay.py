#!/usr/bin/env python3
"""
Send the orders of a CSV as CloudEvents, in the order of their times, and wait until all is settled.

    python examples/shop/replay.py orders.csv

Every filled date is one event; an order that ended as ``canceled`` or ``unavailable`` is one more,
at the last date of its row. The ids follow from the order, so a second run gives duplicates only.
TOCSIN_URL and TOCSIN_KEY say where to; without them, the sandbox in ./data on port 8600.
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
from datetime import datetime
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

    def call(self, method: str, path: str, body: bytes | None = None, media: str = "") -> Any:
        """
        Return the answer's JSON.

        Whatever leaves it open whether the request was handled is tried again: each event has an
        id, so sending it twice does what sending it once does.
        """
        headers = {"Authorization": f"Bearer {self._key}"}
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
                    return json.loads(text)
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
        return counted

    def settled(self) -> Any:
        """Return the audit as soon as no event waits and all that was planned has an outcome."""
        until = time.monotonic() + _SETTLED_WITHIN_S
        while True:
            audit = self.call("GET", "/v1/audit")
            waiting = sum(line["waiting"] for line in audit["events"].values())
            if waiting == 0 and audit["pending"] == 0 and audit["settling"] == 0:
                return audit
            if time.monotonic() > until:
                sys.exit("the server has not settled everything, see `tocsin audit`")
            time.sleep(0.2)


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


def main() -> int:
    parser = argparse.ArgumentParser(description="Send the orders of a CSV as CloudEvents.")
    parser.add_argument("file", type=Path, help="CSV with the columns that generate.py writes")
    parser.add_argument("--rate", type=float, default=0, help="most events a second (no limit)")
    parser.add_argument("--batch", type=int, default=100, help="events in one request (100)")
    arguments = parser.parse_args()
    with arguments.file.open(newline="", encoding="utf-8") as file:
        events = in_order(csv.DictReader(file))
    url = os.environ.get("TOCSIN_URL", "http://127.0.0.1:8600")
    key = os.environ.get("TOCSIN_KEY") or Path("data/sandbox.key").read_text("utf-8").strip()
    server = Server(url, key)
    total = replay(server, events, batch=arguments.batch, rate=arguments.rate)
    audit = server.settled()
    show(total, audit)
    return 1 if total["refused"] or not audit["balanced"] else 0


if __name__ == "__main__":
    sys.exit(main())
