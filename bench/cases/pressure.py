"""More than can be done at once: what is urgent passes, what is too much is told so."""

import time
from dataclasses import replace
from typing import Any

from bench import seed
from bench.cases.live import problems, raw
from bench.lab import Lab
from bench.load import Load, Measured, run
from bench.report import Figure, Result
from bench.server import Server

QUEUED = 1_000_000
CRITICAL_RATE = 100.0
LISTENERS = 100
OVERLOAD = 3.0
_EXPECTED = ("rejected_503", "rejected_429", "events_unsent")
"""Under overload these are the point, and shown as figures."""


def workflow(lane: str) -> dict[str, Any]:
    """The order workflow, in another lane and for another type of event."""
    key = f"bench.{lane}"
    return {**seed.ORDER, "key": key, "on": [key], "lane": lane}


def lanes(lab: Lab) -> Result:
    """Critical events on an idle server, then while a million bulk events wait and are routed.

    The lane is paused while they are sent, so that they do wait.
    """
    options = lab.options
    queued = min(QUEUED, options.recipients)
    seconds = options.seconds or 20
    with lab.seeded("lanes") as server:
        with server.client() as client:
            seed.publish(client, workflow("critical"))
            seed.publish(client, workflow("bulk"))
        tokens = seed.tokens(server, seed.spread_over(options.recipients, LISTENERS))
        critical = Load(
            mode="open",
            rate=CRITICAL_RATE,
            seconds=seconds,
            senders=32,
            single=True,
            tokens=tokens,
            recipients=options.recipients,
            type="bench.critical",
            drain_s=30,
        )
        idle = run(server, critical)
        _queue(server, queued, options.recipients)
        before = _waiting(server)
        busy = run(server, critical)
        after = _waiting(server)
    bound = max(2 * _p99_ms(idle), 25.0)
    return Result(
        case="lanes",
        what=f"{CRITICAL_RATE:g} critical events/s while {before:,} bulk events wait",
        figures=[
            Figure(name="critical p99, idle", value=_p99_ms(idle), unit="ms"),
            Figure(
                name="critical p99, bulk queued",
                value=_p99_ms(busy),
                unit="ms",
                goal=bound,
                floor=max(60.0, bound),
            ),
            Figure(name="critical p50, bulk queued", value=_ms(busy, "p50"), unit="ms"),
            Figure(name="bulk routed meanwhile", value=(before - after) / busy.wall_s, unit="/s"),
        ],
        notes=[*problems(idle.generator), *problems(busy.generator)],
        raw={"idle": raw(idle), "busy": raw(busy), "bulk_waiting": [before, after]},
    )


def _queue(server: Server, count: int, recipients: int) -> None:
    """Let *count* bulk events wait, then let go."""
    document = {"lane": "bulk", "reason": "the benchmark fills it"}
    # A client for each call: the server ends a connection on which nothing is said for seconds.
    with server.client() as client:
        pause = client.send("POST", "/v1/pauses", document)
    while _waiting(server) < count:
        burst = Load(
            mode="closed",
            batch=100,
            seconds=2,
            warmup_s=0,
            recipients=recipients,
            type="bench.bulk",
        )
        run(server, burst)
    with server.client() as client:
        client.send("DELETE", f"/v1/pauses/{pause['id']}")


def _waiting(server: Server) -> int:
    """How many bulk events are not routed yet."""
    with server.client() as client:
        scrape = client.text("/metrics")
    line = next(
        each
        for each in scrape.splitlines()
        if each.startswith('tocsin_backlog_records{lane="bulk",reader="route"}')
    )
    return round(float(line.rpartition(" ")[2]))


def overload(lab: Lab) -> Result:
    """Three times of what is sustained, as fast as it can be offered; then what came out of it."""
    options = lab.options
    seconds = options.seconds or 60
    with lab.seeded("overload") as server:
        numbers = seed.spread_over(options.recipients, options.connected)
        tokens = seed.tokens(server, numbers)
        closed = Load(
            mode="closed",
            batch=100,
            seconds=min(20, seconds),
            tokens=tokens,
            recipients=options.recipients,
            drain_s=60,
        )
        sustained = run(server, closed)
        rate = sustained.generator["received"] / sustained.generator["receiving_s"]
        time.sleep(1)
        offered = rate * OVERLOAD
        flood = replace(closed, mode="open", rate=offered, senders=512, seconds=seconds)
        over = run(server, flood)
    got = over.generator
    seconds_used = max(over.offered_s, got["receiving_s"])
    refused = (got["rejected_503"] + got["rejected_429"]) * 100
    return Result(
        case="overload",
        what=f"{offered:,.0f}/s offered in batches of 100 for {seconds:g} s",
        figures=[
            Figure(name="sustained before", value=rate, unit="/s"),
            Figure(
                name="goodput, of what is sustained",
                value=got["received"] / seconds_used / rate * 100,
                unit="%",
                goal=90,
                floor=70,
                more_is_better=True,
            ),
            Figure(name="refused with 429 or 503", value=refused, unit="events"),
            Figure(name="not offered: all connections busy", value=got["events_unsent"], unit=""),
            Figure(name="accepted and not received", value=got["missing"], unit="", goal=0),
            Figure(name="answer p99", value=got["answer_since_sent"]["p99_us"] / 1000, unit="ms"),
            Figure(name="server RSS", value=over.after.rss_bytes / 1e6, unit="MB"),
        ],
        notes=problems({**got, **dict.fromkeys(_EXPECTED, 0)}),
        raw={"sustained": raw(sustained), "overload": raw(over)},
    )


def _p99_ms(measured: Measured) -> float:
    return _ms(measured, "p99")


def _ms(measured: Measured, name: str) -> float:
    latency: dict[str, float] = measured.generator["latency"]
    return latency[f"{name}_us"] / 1000
