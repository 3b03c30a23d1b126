"""Everybody comes back at once: a server that holds many sockets is killed and started."""

import threading
import time
from dataclasses import dataclass

from bench import seed
from bench.cases.live import problems, raw
from bench.cases.pressure import workflow
from bench.lab import Lab
from bench.load import Load, Measured, run
from bench.report import Figure, Result
from bench.server import Server

SOCKETS = 19_000
"""Loopback has 28,000 ports for one address and port of a server."""

KILL_AFTER_S = 5.0
RECONNECT_S = 30.0
WATCH_S = 40.0
LISTENERS = 100
RATE = 500.0
CRITICAL_RATE = 50.0


@dataclass(slots=True)
class _Herd:
    """The many, and when the server was away, in seconds since they began to send."""

    measured: Measured | None = None
    killed_s: float = 0.0
    ready_s: float = 0.0


def sockets(lab: Lab) -> Result:
    """Everybody has what was accepted, also what came while they were away; what is critical is
    not held up meanwhile, for listeners of their own."""
    options = lab.options
    count = min(SOCKETS, options.recipients - LISTENERS)
    watch_s = options.seconds or WATCH_S
    with lab.seeded("sockets") as server:
        with server.client() as client:
            seed.publish(client, workflow("critical"))
        numbers = seed.spread_over(options.recipients, count + LISTENERS)
        tokens = seed.tokens(server, numbers)
        herd, critical = _killed(server, tokens[:count], tokens[count:], watch_s)
    assert herd.measured is not None
    got = herd.measured.generator
    back_s = got["last_returned_s"] - herd.killed_s
    p99_ms = critical.generator["latency"]["p99_us"] / 1000
    notes = problems({**got, "sockets_closed": 0, "connection_errors": 0, "unanswered": 0})
    if got["sockets_returned"] < count:
        notes.append(f"NOT BACK: {count - got['sockets_returned']:,} sockets")
    return Result(
        case="sockets",
        what=f"{count:,} sockets, kill -9, started again; clients return within {RECONNECT_S:g} s",
        figures=[
            Figure(name="all back, since the kill", value=back_s, unit="s", goal=60, floor=120),
            Figure(name="critical p99 meanwhile", value=p99_ms, unit="ms", goal=1_000),
            Figure(name="down", value=herd.ready_s - herd.killed_s, unit="s"),
            Figure(name="accepted and not received", value=got["missing"], unit="", goal=0),
            Figure(name="resynced instead of resumed", value=got["resyncs"], unit=""),
        ],
        notes=notes,
        raw={
            "herd": raw(herd.measured),
            "critical": raw(critical),
            "killed_s": round(herd.killed_s, 2),
            "ready_s": round(herd.ready_s, 2),
        },
    )


def _killed(
    server: Server,
    tokens: list[tuple[str, str]],
    listeners: list[tuple[str, str]],
    watch_s: float,
) -> tuple[_Herd, Measured]:
    herd = _Herd()
    sending = threading.Event()
    load = Load(
        mode="open",
        rate=RATE,
        batch=10,
        seconds=KILL_AFTER_S + watch_s + RECONNECT_S,
        tokens=tokens,
        reconnect_s=RECONNECT_S,
        drain_s=60,
    )

    def follow() -> None:
        herd.measured = run(server, load, when_sending=sending.set)

    thread = threading.Thread(target=follow, name="herd")
    thread.start()
    sending.wait()
    began = time.monotonic()
    time.sleep(KILL_AFTER_S)
    herd.killed_s = time.monotonic() - began
    server.kill()
    server.__enter__()
    herd.ready_s = time.monotonic() - began
    critical = run(
        server,
        Load(
            mode="open",
            rate=CRITICAL_RATE,
            seconds=watch_s,
            senders=32,
            single=True,
            tokens=listeners,
            type="bench.critical",
            drain_s=30,
        ),
    )
    thread.join()
    return herd, critical
