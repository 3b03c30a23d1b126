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
    last = range(max(1, total - LAST + 1), total + 1)
    numbers = sorted({*seed.spread_over(total, SAMPLE), *last})
    with lab.seeded("everyone") as server:
        tokens = seed.tokens(server, numbers)
        with server.client() as client:
            _warm(client, tokens)
            before = server.usage()
            started = time.monotonic()
            answer = client.send("POST", "/v1/events", _event())
            answered_s = time.monotonic() - started
            visible = sorted(_watch(client, tokens, started).values())
            used = server.usage()
            after = _fanout(client, answer)
    missing = len(tokens) - len(visible)
    cpu_s = used.cpu_s - before.cpu_s
    return Result(
        case="everyone",
        what=f"one event to {total:,} recipients",
        figures=[
            Figure(name="request answered", value=answered_s * 1000, unit="ms", goal=50, floor=100),
            Figure(
                name="visible to all of the sample",
                value=float("inf") if missing else visible[-1],
                unit="s",
                goal=1,
                floor=3,
            ),
            Figure(name="server CPU per recipient", value=cpu_s * 1e6 / total, unit="µs"),
            Figure(name="server RSS", value=used.rss_bytes / 1e6, unit="MB"),
        ],
        notes=_notes(len(tokens), missing),
        raw={
            "answered_ms": round(answered_s * 1000, 2),
            "visible_first_middle_last_s": [round(visible[at], 3) for at in _thirds(visible)],
            "sample": len(tokens),
            "missing": missing,
            "cpu_s": round(cpu_s, 2),
            "answer": answer,
            "event_after": after,
        },
    )


def _thirds(visible: list[float]) -> list[int]:
    """Indexes of the first, the middle and the last; none of an empty list."""
    return [0, len(visible) // 2, len(visible) - 1] if visible else []


def _notes(sample: int, missing: int) -> list[str]:
    how = (
        f"sample: {sample} recipients, uniform and the last {LAST}, their inboxes polled in turn "
        "with their own tokens; times run from before the request was sent, and CPU includes "
        "the polls"
    )
    if not missing:
        return [how]
    return [how, f"NOT VISIBLE within {VISIBLE_LIMIT_S:.0f} s to {missing} of the sample"]


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
