"""Everybody gets a little, nobody is there: until the ledger is settled."""

from bench.cases.live import generator_cost, problems, raw
from bench.lab import Lab, Options
from bench.load import Load, Measured, run
from bench.process import Usage
from bench.report import Figure, Result
from bench.settle import Settled, audited, outstanding, wait_settled

SETTLE_LIMIT_S = 300
AUDIT_LIMIT_S = 120


def spread(lab: Lab) -> Result:
    """Recipients uniform over everybody; ends when every delivery has settled.

    The audit comes after that and is not part of what is measured.

    In closed loop unless a rate was asked for: whoever is not listening has no latency, so the
    question is how much gets through.
    """
    options = lab.options
    load = Load(
        mode="open" if options.rate else "closed",
        rate=options.rate or 0,
        batch=100,
        seconds=options.seconds or 60,
        recipients=options.recipients,
    )
    with lab.seeded("spread") as server:
        measured = run(server, load)
        with server.client() as client:
            accepted = measured.generator["accepted"]
            settled = wait_settled(client, accepted, limit_s=SETTLE_LIMIT_S)
            used = server.usage()
            audit = audited(client, limit_s=AUDIT_LIMIT_S)
    notes = problems(measured.generator)
    if not settled.done:
        notes.append(f"NOT SETTLED within {SETTLE_LIMIT_S} s")
    if outstanding(audit) or audit.get("missing"):
        notes.append("NOT BALANCED: see the audit below")
    return Result(
        case="spread",
        what=_what(options),
        figures=_figures(measured, settled, used, rate_goal=options.rate is None),
        notes=notes,
        raw={
            **raw(measured),
            "settle_s": round(settled.seconds, 2),
            "polls": settled.polls,
            "deliveries_settled": settled.deliveries,
            "cpu_s_until_settled": round(used.cpu_s - measured.before.cpu_s, 2),
            "audit": audit,
        },
    )


def _what(options: Options) -> str:
    offered = f"{options.rate:,.0f}/s" if options.rate else "16 connections in closed loop"
    people = f"{options.recipients:,} recipients"
    return f"{offered}, batches of 100, uniform over {people}, none connected"


def _figures(measured: Measured, settled: Settled, used: Usage, *, rate_goal: bool) -> list[Figure]:
    accepted = measured.generator["accepted"]
    cpu_s = used.cpu_s - measured.before.cpu_s
    wall_s = max(measured.wall_s, measured.offered_s) + settled.seconds
    return [
        Figure(
            name="notifications, first request to settled",
            value=accepted / wall_s,
            unit="/s",
            goal=20_000 if rate_goal else None,
            floor=12_000 if rate_goal else None,
            more_is_better=True,
        ),
        Figure(
            name="server CPU each",
            value=cpu_s * 1e6 / accepted if accepted else float("inf"),
            unit="µs",
            goal=60,
            floor=90,
        ),
        Figure(name="settled after the last answer", value=settled.seconds, unit="s"),
        Figure(name="server cores", value=cpu_s / wall_s, unit=""),
        Figure(name="server RSS", value=used.rss_bytes / 1e6, unit="MB"),
        generator_cost(measured),
    ]
