"""Cases in which people are connected and every notification is received."""

from collections.abc import Sequence
from typing import Any

from bench import seed
from bench.lab import Lab
from bench.load import Load, Measured, run
from bench.report import Figure, Result

LATENCY_NOTE = (
    "latency runs from the moment a request was due to be sent (not from its acceptance, and "
    "however late the generator was) to the last byte of the frame at the client"
)


def live(lab: Lab) -> Result:
    """The offered rate is fixed: what the server does not keep up with shows as latency.

    It is 1 % above the goal, so that a server which keeps up is seen to reach the goal.
    """
    rate = lab.options.rate or 20_200
    measured = _measure(lab, "live", mode="open", rate=rate, batch=100, seconds=60)
    # At another rate the question is another one.
    goal, floor = (None, None) if lab.options.rate else (20_000, 12_000)
    figures = [
        _throughput(measured, goal=goal, floor=floor),
        _cpu(measured, goal=60, floor=90),
        *_latency(measured, p99_goal_ms=100),
    ]
    what = f"{rate:,.0f}/s offered in batches of 100, {_connected(lab)}"
    return _result("live", what, measured, figures)


def capacity(lab: Lab) -> Result:
    """As many batches of 100 as 16 connections get answered, each waiting for its answer."""
    measured = _measure(lab, "capacity", mode="closed", batch=100, seconds=20)
    figures = [
        _throughput(measured, goal=20_000, floor=12_000),
        _cpu(measured, goal=60, floor=90),
        *_latency(measured),
    ]
    what = f"16 connections in closed loop, batches of 100, {_connected(lab)}"
    return _result("capacity", what, measured, figures)


def social(lab: Lab) -> Result:
    """A large social network's average rate, in small batches."""
    rate = lab.options.rate or 2_315
    measured = _measure(lab, "social", mode="open", rate=rate, batch=10, seconds=30)
    figures = [
        *_latency(measured, p50_goal_ms=2, p99_goal_ms=10, p99_floor_ms=25),
        _throughput(measured),
        _cpu(measured),
    ]
    what = f"{rate:,.0f}/s offered in batches of 10, {_connected(lab)}"
    return _result("social", what, measured, figures)


def peak(lab: Lab) -> Result:
    """That network's peak rate."""
    rate = lab.options.rate or 11_575
    measured = _measure(lab, "peak", mode="open", rate=rate, batch=100, seconds=30)
    figures = [
        *_latency(measured, p99_goal_ms=25, p99_floor_ms=150),
        _throughput(measured),
        _cpu(measured),
    ]
    what = f"{rate:,.0f}/s offered in batches of 100, {_connected(lab)}"
    return _result("peak", what, measured, figures)


def single(lab: Lab) -> Result:
    """Producers that cannot batch."""
    measured = _measure(lab, "single", mode="closed", batch=1, seconds=30, senders=64, single=True)
    figures = [
        _throughput(measured, goal=5_000, floor=3_000),
        _cpu(measured),
        *_latency(measured),
    ]
    what = f"one event per request, 64 connections in closed loop, {_connected(lab)}"
    return _result("single", what, measured, figures)


def _measure(
    lab: Lab,
    case: str,
    *,
    mode: str,
    batch: int,
    seconds: float,
    rate: float = 0,
    senders: int = 16,
    single: bool = False,
) -> Measured:
    options = lab.options
    seconds = options.seconds or seconds
    with lab.seeded(case) as server:
        numbers = seed.spread_over(options.recipients, options.connected)
        load = Load(
            mode=mode,
            rate=rate,
            batch=batch,
            seconds=seconds,
            warmup_s=min(2.0, seconds / 4),
            senders=senders,
            single=single,
            tokens=seed.tokens(server, numbers),
            recipients=options.recipients,
            drain_s=30,
            batch_frames=options.batch_frames,
            acknowledge=options.acknowledge,
        )
        return run(server, load)


def _connected(lab: Lab) -> str:
    options = lab.options
    return (
        f"{options.connected:,} of {options.recipients:,} recipients connected and addressed in "
        f"turn, {'acknowledging' if options.acknowledge else 'not acknowledging'}, "
        f"{'tocsin.v1.batch' if options.batch_frames else 'tocsin.v1'}"
    )


def outcomes(measured: Measured) -> int:
    """Notifications that reached their goal: received where people listen, else accepted."""
    generator = measured.generator
    count: int = generator["received"] if generator["sockets_open"] else generator["accepted"]
    return count


def _throughput(
    measured: Measured, *, goal: float | None = None, floor: float | None = None
) -> Figure:
    # Never less than the time offered: the last batch of an open loop leaves one interval early.
    seconds = max(measured.offered_s, measured.generator["receiving_s"])
    return Figure(
        name="notifications, first request to last frame",
        value=outcomes(measured) / seconds,
        unit="/s",
        goal=goal,
        floor=floor,
        more_is_better=True,
    )


def _cpu(measured: Measured, *, goal: float | None = None, floor: float | None = None) -> Figure:
    count = outcomes(measured)
    return Figure(
        name="server CPU each",
        value=measured.cpu_s * 1e6 / count if count else float("inf"),
        unit="µs",
        goal=goal,
        floor=floor,
    )


def _latency(
    measured: Measured,
    *,
    p50_goal_ms: float | None = None,
    p99_goal_ms: float | None = None,
    p99_floor_ms: float | None = None,
) -> list[Figure]:
    latency = measured.generator["latency"]
    if not latency["count"]:
        return []
    goals = {"p50": (p50_goal_ms, None), "p99": (p99_goal_ms, p99_floor_ms)}
    figures = []
    for name in ("p50", "p90", "p99", "p999", "max"):
        goal, floor = goals.get(name, (None, None))
        value = latency[f"{name}_us"] / 1000
        figures.append(
            Figure(name=f"sent → received {name}", value=value, unit="ms", goal=goal, floor=floor)
        )
    return figures


def problems(generator: dict[str, Any]) -> list[str]:
    """A sentence for each count that should be zero and is not."""
    names = (
        "events_unsent",
        "partial_answers",
        "rejected_429",
        "rejected_503",
        "other_status",
        "duplicates_reported",
        "connection_errors",
        "unanswered",
        "missing",
        "duplicates",
        "foreign",
        "malformed",
        "misdelivered",
        "resyncs",
        "sockets_closed",
        "handshakes_failed",
        "write_failures",
    )
    return [f"NOT ZERO: {name} = {generator[name]:,}" for name in names if generator[name]]


def raw(measured: Measured) -> dict[str, Any]:
    """Every number of a run."""
    before, after = measured.before, measured.after
    return {
        "server_user_s": round(after.user_s - before.user_s, 2),
        "server_system_s": round(after.system_s - before.system_s, 2),
        "server_rss_mb": round(after.rss_bytes / 1e6, 1),
        "server_processes": after.processes,
        "wall_s": round(measured.wall_s, 2),
        "generator": measured.generator,
    }


def generator_cost(measured: Measured) -> Figure:
    """What the load generator itself took from the shared cores."""
    generator = measured.generator
    seconds = generator["generator_user_s"] + generator["generator_system_s"]
    count = generator["events_sent"] + generator["received"]
    return Figure(
        name="generator CPU per event or item",
        value=seconds * 1e6 / count if count else 0,
        unit="µs",
    )


def _result(case: str, what: str, measured: Measured, figures: Sequence[Figure]) -> Result:
    cores = Figure(name="server cores", value=measured.cpu_s / measured.wall_s, unit="")
    return Result(
        case=case,
        what=what,
        figures=[*figures, cores, generator_cost(measured)],
        notes=[LATENCY_NOTE, *problems(measured.generator)],
        raw=raw(measured),
    )
