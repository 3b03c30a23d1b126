"""A load whose messages go to a sink on this machine: until all of it has settled, and its cost."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench import native
from bench.cases.live import problems, raw
from bench.lab import Options
from bench.load import Load, Measured, run
from bench.process import Usage
from bench.report import Figure
from bench.server import Server
from bench.settle import Settled, wait_settled

SETTLE_LIMIT_S = 300


@dataclass(slots=True)
class Sink:
    """A sink's port, and what it counted once it has ended, by the names that it was given."""

    port: int
    counted: dict[str, int]


@contextmanager
def counting_sink(program: str, *counts: str) -> Iterator[Sink]:
    """Run a native sink, which says its port first and what it counted at its end."""
    with subprocess.Popen(
        [native.program(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        sink = Sink(int(process.stdout.readline()), {})
        try:
            yield sink
        finally:
            process.stdin.close()
            numbers = map(int, process.stdout.readline().split())
            sink.counted = dict(zip(counts, numbers, strict=True))


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a load; ``sent`` is how many deliveries ended so."""

    measured: Measured
    used: Usage
    settled: Settled
    sent: int

    @property
    def accepted(self) -> int:
        """How many events were accepted."""
        return int(self.measured.generator["accepted"])

    @property
    def cpu_s(self) -> float:
        """The server's CPU from the first request until all had settled."""
        return self.used.cpu_s - self.measured.before.cpu_s

    @property
    def cpu_us(self) -> float:
        """The server's CPU for one message, from the request to the ledger."""
        return self.cpu_s * 1e6 / self.accepted if self.accepted else float("inf")

    @property
    def wall_s(self) -> float:
        """How long it took until all had settled."""
        return max(self.measured.wall_s, self.measured.offered_s) + self.settled.seconds

    @property
    def per_second(self) -> float:
        """How many were sent a second until all had settled."""
        return self.sent / self.wall_s

    def cost(self, name: str, *, goal: float, floor: float) -> Figure:
        """Return the CPU for one message as a figure."""
        return Figure(name=name, value=self.cpu_us, unit="µs", goal=goal, floor=floor)

    def server(self) -> Sequence[Figure]:
        """Return what the server took of the machine."""
        return (
            Figure(name="server cores", value=self.cpu_s / self.wall_s, unit=""),
            Figure(name="server RSS", value=self.used.rss_bytes / 1e6, unit="MB"),
        )

    def notes(self) -> list[str]:
        """Return what is wrong with the run."""
        notes = problems(self.measured.generator)
        if not self.settled.done:
            notes.append(f"NOT SETTLED within {SETTLE_LIMIT_S} s")
        if self.sent != self.accepted:
            notes.append(f"{self.accepted:,} accepted, {self.sent:,} sent")
        return notes

    def raw(self, sink: Sink) -> dict[str, Any]:
        """Return the numbers behind the figures."""
        return {
            **raw(self.measured),
            "settle_s": round(self.settled.seconds, 2),
            "cpu_s_until_settled": round(self.cpu_s, 2),
            "sink": sink.counted,
        }


def load_of(options: Options, type: str, recipients: int, seconds: float = 30) -> Load:
    """Return batches of 100, as fast as they are taken unless *options* name a rate."""
    return Load(
        mode="open" if options.rate else "closed",
        rate=options.rate or 0,
        batch=100,
        seconds=options.seconds or seconds,
        recipients=recipients,
        type=type,
    )


def run_out(server: Server, load: Load) -> Ran:
    """Run *load*, and wait until every message has settled."""
    measured = run(server, load)
    with server.client() as client:
        settled = wait_settled(client, measured.generator["accepted"], limit_s=SETTLE_LIMIT_S)
        used = server.usage()
        sent = _sent(client.text("/metrics"))
    return Ran(measured, used, settled, sent)


def _sent(metrics: str) -> int:
    found = re.findall(r'(?m)^tocsin_deliveries_settled_total\{.*state="sent".*\} (\S+)$', metrics)
    return round(sum(map(float, found)))
