"""The same load with a long past behind it."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench import seed
from bench.cases.live import outcomes, problems, raw
from bench.client import Client, Refused
from bench.lab import Lab
from bench.load import Load, Measured, run
from bench.report import Figure, Result
from bench.server import Server
from bench.settle import total, wait_settled

RATE = 8_000.0
"""Below what is sustained, so that latency says something."""

PEOPLE_PER_EVENT = 100
EVENTS_PER_REQUEST = 20
PRODUCERS = 4
BUSY = frozenset({429, 503})
AGAIN_S = 0.5
BUSY_LIMIT_S = 60
SETTLE_LIMIT_S = 3_600
REST_LOOK_S = 3.0
REST_CORES = 0.03
PAST = {**seed.ORDER, "key": "bench.past", "on": ["bench.past"], "audience": {"path": "data.to"}}


def deep(lab: Lab) -> Result:
    """The load of `live` on a young server, and again when it holds many notifications more."""
    options = lab.options
    seconds = options.seconds or 30
    with lab.seeded("deep") as server:
        load = Load(
            mode="open",
            rate=options.rate or RATE,
            batch=100,
            seconds=seconds,
            tokens=seed.tokens(server, seed.spread_over(options.recipients, options.connected)),
            recipients=options.recipients,
            drain_s=30,
        )
        young = run(server, load)
        past = _past(server, options.depth, options.recipients)
        rested = _rested(server)
        old = run(server, load)
    cpu, p99 = _cpu_us(old) / _cpu_us(young), _p99_ms(old) / _p99_ms(young)
    return Result(
        case="deep",
        what=f"{load.rate:,.0f}/s in batches of 100, before and after {options.depth:,} more",
        figures=[
            Figure(name="CPU, of what it was", value=cpu, unit="x", goal=1.3, floor=1.6),
            Figure(name="p99, of what it was", value=p99, unit="x", goal=1.3, floor=1.6),
            Figure(name="server CPU each, before", value=_cpu_us(young), unit="µs"),
            Figure(name="server CPU each, after", value=_cpu_us(old), unit="µs"),
            Figure(name="p99, before", value=_p99_ms(young), unit="ms"),
            Figure(name="p99, after", value=_p99_ms(old), unit="ms"),
            Figure(name="stored meanwhile", value=past["per_second"], unit="/s"),
            Figure(name="CPU of storing, each", value=past["cpu_us_each"], unit="µs"),
            Figure(name="at rest after storing", value=rested["seconds"], unit="s"),
            Figure(name="CPU until then", value=rested["cpu_s"], unit="s"),
        ],
        notes=[*problems(young.generator), *problems(old.generator)],
        raw={"young": raw(young), "past": past, "rested": rested, "old": raw(old)},
    )


def _past(server: Server, count: int, recipients: int) -> dict[str, Any]:
    """Let the product store *count* notifications, each event for many people."""
    with server.client() as client:
        seed.publish(client, PAST)
        before = total(client.text("/metrics"), "tocsin_deliveries_settled_total")
    usage, started = server.usage(), time.monotonic()
    with ThreadPoolExecutor(PRODUCERS) as pool:
        producing = [
            pool.submit(_produce, server, _events(one, count // PRODUCERS, recipients))
            for one in range(PRODUCERS)
        ]
    for each in producing:
        each.result()
    # Another one: the server has ended a connection by now on which nothing was asked.
    with server.client() as client:
        expected = before + count // PRODUCERS * PRODUCERS
        settled = wait_settled(client, expected, limit_s=SETTLE_LIMIT_S)
    seconds = time.monotonic() - started
    files = sum(path.stat().st_size for path in server.data.rglob("*") if path.is_file())
    used = server.usage()
    if not settled.done:
        raise RuntimeError(f"only {settled.deliveries - before:,} of {count:,} were stored in time")
    return {
        "notifications": settled.deliveries - before,
        "seconds": round(seconds, 1),
        "per_second": round(count / seconds),
        "cpu_us_each": round((used.cpu_s - usage.cpu_s) * 1e6 / count, 1),
        "folder_mb": round(files / 1e6),
        "rss_mb": round(used.rss_bytes / 1e6),
    }


def _rested(server: Server) -> dict[str, float]:
    """
    Wait until the server does next to nothing: indexes are merged in the background.

    What storing leaves to be done belongs to storing, and not to the load that follows.
    """
    began, started = server.usage(), time.monotonic()
    before = began
    while True:
        time.sleep(REST_LOOK_S)
        now, seconds = server.usage(), time.monotonic() - started
        if now.cpu_s - before.cpu_s < REST_LOOK_S * REST_CORES or seconds > SETTLE_LIMIT_S:
            return {"seconds": round(seconds, 1), "cpu_s": round(now.cpu_s - began.cpu_s, 2)}
        before = now


def _produce(server: Server, requests: Iterator[list[dict[str, Any]]]) -> None:
    with server.client() as client:
        for number, events in enumerate(requests, 1):
            _send(client, events)
            if number % 250 == 0:
                done = number * EVENTS_PER_REQUEST * PEOPLE_PER_EVENT * PRODUCERS
                print(f"about {done:,} notifications sent", file=sys.stderr, flush=True)


def _send(client: Client, events: list[dict[str, Any]]) -> None:
    """Send until the server has room: more may come at once than it can decide, for a while."""
    give_up = time.monotonic() + BUSY_LIMIT_S
    while True:
        try:
            client.send("POST", "/v1/events", events)
        except Refused as refused:
            if refused.status not in BUSY or time.monotonic() > give_up:
                raise
            time.sleep(AGAIN_S)
        else:
            return


def _events(producer: int, count: int, recipients: int) -> Iterator[list[dict[str, Any]]]:
    """Requests whose events name *count* people altogether, spread over everybody."""
    person = producer
    while count > 0:
        events = []
        for _ in range(EVENTS_PER_REQUEST):
            people = min(PEOPLE_PER_EVENT, count)
            if people <= 0:
                break
            count -= people
            # A step that shares no factor with their number visits everybody in turn.
            names = [
                seed.recipient_id(1 + (person + n * 7_919) % recipients) for n in range(people)
            ]
            person += people * 7_919
            data = {"to": names, "order": person, "sent": 0}
            events.append({"type": "bench.past", "source": "bench/past", "data": data})
        yield events


def _cpu_us(measured: Measured) -> float:
    return measured.cpu_s * 1e6 / max(1, outcomes(measured))


def _p99_ms(measured: Measured) -> float:
    latency: dict[str, float] = measured.generator["latency"]
    return max(latency["p99_us"] / 1000, 0.001)
