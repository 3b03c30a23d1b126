"""One event to everybody."""

import time
from typing import Any

from bench import seed
from bench.client import Client
from bench.lab import Lab
from bench.report import Figure, Result

SAMPLE = 200
LAST = 5
VISIBLE_LIMIT_S = 120.0


def everyone(lab: Lab) -> Result:
    """Visible means: the inbox of every sampled person lists it."""
    total = lab.options.recipients
    numbers = sorted(
        {*seed.spread_over(total, SAMPLE), *range(max(1, total - LAST + 1), total + 1)}
    )
    with lab.seeded("everyone") as server:
        tokens = seed.tokens(server, numbers)
        with server.client() as client:
            _warm(client, tokens)
            before = server.usage()
            started = time.monotonic()
            answer = client.send("POST", "/v1/events", _event())
            answered_s = time.monotonic() - started
            seen = _watch(client, tokens, started)
            used = server.usage()
            after = _fanout(client, answer)
    visible = sorted(seen.values())
    missing = len(tokens) - len(visible)
    figures = [
        Figure(name="request answered", value=answered_s * 1000, unit="ms", goal=50, floor=100),
        Figure(
            name="visible to all of the sample",
            value=visible[-1] if not missing else float("inf"),
            unit="s",
            goal=1,
            floor=3,
        ),
        Figure(
            name="server CPU per recipient, the sample's polls included",
            value=(used.cpu_s - before.cpu_s) * 1e6 / total,
            unit="µs",
        ),
        Figure(name="server RSS", value=used.rss_bytes / 1e6, unit="MB"),
    ]
    notes = [
        (
            f"sample: {len(tokens)} recipients, uniform and the last {LAST}, their inboxes polled in "
            "turn with their own tokens; times run from before the request was sent"
        )
    ]
    if missing:
        notes.append(f"NOT VISIBLE within {VISIBLE_LIMIT_S:.0f} s to {missing} of the sample")
    return Result(
        case="everyone",
        what=f"one event to {total:,} recipients",
        figures=figures,
        notes=notes,
        raw={
            "answered_ms": round(answered_s * 1000, 2),
            "visible_first_s": round(visible[0], 3) if visible else None,
            "visible_last_s": round(visible[-1], 3) if visible else None,
            "sample": len(tokens),
            "missing": missing,
            "cpu_s": round(used.cpu_s - before.cpu_s, 2),
            "answer": answer,
            "event_after": after,
        },
    )


def _event() -> dict[str, Any]:
    number = time.time_ns()
    return {
        "type": "bench.everyone",
        "id": f"everyone-{number}",
        "source": "bench/everyone",
        "data": {"number": str(number)},
    }


def _warm(client: Client, tokens: list[tuple[str, str]]) -> None:
    """One read each, so that no connection or cache is opened within the measured second."""
    for _, token in tokens:
        client.get("/v1/inbox?limit=1", bearer=token)


def _watch(client: Client, tokens: list[tuple[str, str]], started: float) -> dict[str, float]:
    """Seconds until each sampled recipient was seen to have the item."""
    seen: dict[str, float] = {}
    while len(seen) < len(tokens) and time.monotonic() - started < VISIBLE_LIMIT_S:
        for recipient, token in tokens:
            if recipient in seen:
                continue
            items = client.get("/v1/inbox?limit=1", bearer=token)["items"]
            if any(item["title"].startswith("News ") for item in items):
                seen[recipient] = time.monotonic() - started
            else:
                # Polling at full speed would take a core from the fan-out that it waits for.
                time.sleep(0.002)
    return seen


def _fanout(client: Client, answer: dict[str, Any]) -> Any:
    """What the server says of the event, and of its fan-out when it names one."""
    event = client.get(f"/v1/events/{answer['events'][0]['id']}")
    fanout = event.get("fanout") if isinstance(event, dict) else None
    if not fanout:
        return event
    identity = fanout["id"] if isinstance(fanout, dict) else fanout
    return {"event": event, "fanout": client.get(f"/v1/fanouts/{identity}")}
