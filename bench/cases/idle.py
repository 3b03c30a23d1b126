"""What Tocsin takes when nothing happens."""

import time
from collections.abc import Sequence

from bench import seed
from bench.lab import Lab
from bench.load import Load, run
from bench.process import Usage
from bench.report import Figure, Result
from bench.server import Server

SETTLE_S = 5.0
WATCH_S = 30.0
SOCKETS = (2_000, 8_000)
HOLD_S = 10.0


def idle(lab: Lab) -> Result:
    """An empty store, a second start, then sockets on which nothing is said."""
    watch_s = lab.options.seconds or WATCH_S
    with lab.empty("idle") as server:
        first_ready_s = server.ready_s
        time.sleep(min(SETTLE_S, watch_s))
        before = server.usage()
        time.sleep(watch_s)
        after = server.usage()
    with lab.empty("idle") as server:
        ready_s = server.ready_s
        sockets, usages = _sockets(server, watch_s)
    cores = (after.cpu_s - before.cpu_s) / watch_s
    figures = [
        Figure(
            name="RSS, empty store", value=after.rss_bytes / 1e6, unit="MB", goal=100, floor=150
        ),
        Figure(name="CPU", value=cores * 100, unit="% of a core", goal=0.5, floor=1),
        Figure(name="ready, new folder", value=first_ready_s, unit="s", goal=2, floor=3),
        Figure(name="ready, second start", value=ready_s, unit="s", goal=2, floor=3),
        *sockets,
    ]
    return Result(
        case="idle",
        what=f"no load for {watch_s:g} s, then {' and '.join(f'{n:,}' for n in SOCKETS)} sockets",
        figures=figures,
        notes=[
            (
                "an idle socket is the growth of RSS while the sockets are open, divided by their "
                "number; recipients and tokens exist before; the kernel's buffers are not in RSS"
            )
        ],
        raw={
            "rss_mb": round(after.rss_bytes / 1e6, 2),
            "cpu_s": round(after.cpu_s - before.cpu_s, 3),
            "watched_s": watch_s,
            "ready_s": [round(first_ready_s, 3), round(ready_s, 3)],
            "rss_mb_with_sockets": [round(one.rss_bytes / 1e6, 2) for one in usages],
        },
    )


def _sockets(server: Server, watch_s: float) -> tuple[list[Figure], list[Usage]]:
    """Open ever more sockets, each for a recipient of its own."""
    people = max(SOCKETS)
    with server.client() as client:
        seed.import_people(client, people)
    tokens = seed.tokens(server, seed.spread_over(people, people))
    empty = server.usage()
    figures, usages = [], [empty]
    for count in SOCKETS:
        held = _hold(server, tokens[:count], min(HOLD_S, watch_s))
        usages.append(held[0])
        each_kb = (held[0].rss_bytes - empty.rss_bytes) / 1000 / count
        figures.append(
            Figure(name=f"idle socket, {count:,} open", value=each_kb, unit="KB", goal=20, floor=30)
        )
        figures.append(Figure(name=f"CPU, {count:,} open", value=held[1] * 100, unit="% of a core"))
    return figures, usages


def _hold(server: Server, tokens: Sequence[tuple[str, str]], seconds: float) -> tuple[Usage, float]:
    """Usage with the sockets open, and cores taken by them while nothing is said."""
    load = Load(mode="hold", seconds=seconds, senders=0, tokens=tokens)
    open_now: list[Usage] = []
    measured = run(server, load, when_sending=lambda: open_now.append(server.usage()))
    if measured.generator["sockets_open"] != len(tokens):
        raise RuntimeError(f"only {measured.generator['sockets_open']} of {len(tokens)} are open")
    return open_now[0], measured.cpu_s / measured.wall_s
