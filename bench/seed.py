"""Fills a data folder through the product's own interface: people and workflows."""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from bench.client import Client
from bench.server import Server

LINES_PER_CHUNK = 500
LINES_PER_IMPORT = 50_000
LOCALES = ("en", "de", "fr", "es", "it")
ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "Europe/Lisbon",
    "Europe/Helsinki",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Africa/Johannesburg",
)
ORDER = {
    "key": "bench.order",
    "on": ["bench.order"],
    "category": "orders",
    "lane": "transactional",
    "audience": {"path": "data.customer_id"},
    "steps": [
        {"channel": "inbox", "title": "Order {{ data.order }}", "body": "sent={{ data.sent }}"}
    ],
}
EVERYONE = {
    "key": "bench.everyone",
    "on": ["bench.everyone"],
    "category": "news",
    "lane": "bulk",
    "audience": {"everyone": True},
    "steps": [{"channel": "inbox", "title": "News {{ data.number }}", "body": "For everyone."}],
}


def recipient_id(number: int) -> str:
    """The id of the n-th person, counted from 1."""
    return f"u{number:07d}"


def recipient(number: int) -> dict[str, Any]:
    """One person: every tenth has own preferences, every twentieth (another) quiet hours."""
    person: dict[str, Any] = {
        "id": recipient_id(number),
        "name": f"Person {number}",
        "email": f"person{number}@example.com",
        "locale": LOCALES[number % len(LOCALES)],
        "timezone": ZONES[number % len(ZONES)],
    }
    if number % 10 == 3:
        person["preferences"] = {
            "channels": {"sms": False},
            "categories": {"promotions": {"channels": {"push": False}}},
        }
    elif number % 20 == 7:
        hours = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "22:00", "until": "07:00"}
        person["preferences"] = {"quiet_hours": [hours]}
    return person


def import_people(client: Client, count: int) -> dict[str, Any]:
    """Stream ``count`` people in; the answers' counts and the rate."""
    started = time.monotonic()
    answers = []
    for first in range(1, count + 1, LINES_PER_IMPORT):
        last = min(first + LINES_PER_IMPORT - 1, count)
        answer = client.stream(
            "/v1/recipients/import", _chunks(first, last), "application/x-ndjson"
        )
        answers.append(answer)
        _progress(last, count, time.monotonic() - started)
    seconds = time.monotonic() - started
    client.get(f"/v1/recipients/{recipient_id(count)}")
    return {
        "recipients": count,
        "seconds": round(seconds, 2),
        "per_second": round(count / seconds),
        "first_answer": answers[0],
    }


def publish(client: Client, workflow: dict[str, Any]) -> None:
    """Write a draft and make it the version in force."""
    path = f"/v1/workflows/{workflow['key']}"
    client.send("PUT", path, workflow)
    client.send("POST", f"{path}/publish")


def prepare(server: Server, count: int) -> dict[str, Any]:
    """Publish both workflows and import ``count`` people."""
    with server.client() as client:
        publish(client, ORDER)
        publish(client, EVERYONE)
        before = server.usage()
        report = import_people(client, count)
        report["cpu_us_each"] = round((server.usage().cpu_s - before.cpu_s) * 1e6 / count, 1)
        report["rss_mb"] = round(server.usage().rss_bytes / 1e6, 1)
        return report


def tokens(server: Server, numbers: list[int]) -> list[tuple[str, str]]:
    """A (recipient, token) pair for each person."""
    with server.client() as client:
        return [
            (
                recipient_id(number),
                client.send("POST", "/v1/tokens", {"recipient": recipient_id(number)})["token"],
            )
            for number in numbers
        ]


def spread_over(total: int, count: int) -> list[int]:
    """``count`` numbers from 1 to ``total`` at equal distances, the last one included."""
    count = min(count, total)
    return [total - total * index // count for index in range(count)]


def _chunks(first: int, last: int) -> Iterator[bytes]:
    for start in range(first, last + 1, LINES_PER_CHUNK):
        numbers = range(start, min(start + LINES_PER_CHUNK, last + 1))
        lines = (json.dumps(recipient(number)) for number in numbers)
        yield ("\n".join(lines) + "\n").encode()


def _progress(done: int, total: int, seconds: float) -> None:
    bar = "#" * (30 * done // total)
    text = f"seeding [{bar:<30}] {done:,} of {total:,}, {done / seconds:,.0f}/s"
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text}" + ("\n" if done == total else ""))
    elif done == total or done % (LINES_PER_IMPORT * 5) == 0:
        sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
