"""Waits until nothing is on its way any more, without costing the server what is measured."""

import re
import time
from dataclasses import dataclass
from typing import Any

from bench.client import Client

POLL_S = 1.0
AUDIT_POLL_S = 5.0
_SAMPLE = re.compile(r"^(\w+)(?:\{[^}]*\})? (\S+)$")


@dataclass(frozen=True, kw_only=True)
class Settled:
    """``deliveries`` is the last count; ``done`` is False when the limit came first.

    ``seconds`` runs from the call.
    """

    deliveries: int
    seconds: float
    polls: int
    done: bool


def total(metrics: str, name: str) -> int:
    """The sum over all labels of a metric, from the text of a scrape."""
    samples = (_SAMPLE.match(line) for line in metrics.splitlines())
    return round(sum(float(each[2]) for each in samples if each and each[1] == name))


def wait_settled(client: Client, expected: int, *, limit_s: float) -> Settled:
    """Poll the count of deliveries that came to an end until there are ``expected`` more.

    A count is cheap, where the audit reads all of what happened.
    """
    started, polls = time.monotonic(), 0
    while True:
        deliveries = total(client.text("/metrics"), "tocsin_deliveries_settled_total")
        seconds, polls = time.monotonic() - started, polls + 1
        if deliveries >= expected or seconds > limit_s:
            done = deliveries >= expected
            return Settled(deliveries=deliveries, seconds=seconds, polls=polls, done=done)
        time.sleep(POLL_S)


def wait_read(client: Client, reader: str, *, limit_s: float) -> bool:
    """Poll how many records *reader* has before it until that is none; False for the limit."""
    backlog = re.compile(
        rf'^tocsin_backlog_records\{{[^}}]*reader="{reader}"[^}}]*\}} (\S+)$', re.MULTILINE
    )
    started = time.monotonic()
    while True:
        found = backlog.findall(client.text("/metrics"))
        if found and not any(map(float, found)):
            return True
        if time.monotonic() - started > limit_s:
            return False
        time.sleep(POLL_S)


def outstanding(audit: dict[str, Any]) -> int:
    """Events that wait to be routed and deliveries that wait to be made, by the audit."""
    waiting: int = audit["events"].get("waiting", 0)
    pending: int = audit.get("pending", 0)
    settling: int = audit.get("settling", 0)
    return waiting + pending + settling


def audited(client: Client, *, limit_s: float) -> dict[str, Any]:
    """Ask for the audit until it calls nothing ``settling``; the last answer if that takes long."""
    started = time.monotonic()
    while True:
        audit: dict[str, Any] = client.get("/v1/audit?since=1h")
        if outstanding(audit) == 0 or time.monotonic() - started > limit_s:
            return audit
        time.sleep(AUDIT_POLL_S)
