"""Waits until the ledger says that nothing is on its way any more."""

import time
from dataclasses import dataclass
from typing import Any

from bench.client import Client

POLL_FIRST_S = 0.1
POLL_MAX_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Settled:
    """``audit`` is the last answer; ``seconds`` runs from the call; ``done`` is False when the
    limit came first."""

    audit: dict[str, Any]
    seconds: float
    polls: int
    done: bool


def outstanding(audit: dict[str, Any]) -> int:
    """Events that wait to be routed and deliveries that wait to be made, by the audit."""
    waiting: int = audit["events"].get("waiting", 0)
    pending: int = audit.get("pending", 0)
    settling: int = audit.get("settling", 0)
    return waiting + pending + settling


def wait_settled(client: Client, expected_events: int, *, limit_s: float) -> Settled:
    """Poll the audit until it has ``expected_events`` and nothing is outstanding.

    The pause between polls grows, because each poll costs the server CPU that is measured.
    """
    started, pause_s, polls = time.monotonic(), POLL_FIRST_S, 0
    while True:
        audit = client.get("/v1/audit?since=1h")
        seconds, polls = time.monotonic() - started, polls + 1
        counts = audit["events"]
        known = sum(counts.get(name, 0) for name in ("routed", "unrouted", "aliases"))
        done = known >= expected_events and outstanding(audit) == 0
        if done or seconds > limit_s:
            return Settled(audit=audit, seconds=seconds, polls=polls, done=done)
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, POLL_MAX_S)
