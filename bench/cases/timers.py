"""Timers that come due while very many wait."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.lab import Lab
from bench.report import Figure, Result

ROWS = 1_000_000
PER_SECOND = 10_000
SECONDS = 20


def timers(lab: Lab) -> Result:
    """The step alone: from due rows to records on the log and retired rows."""
    seconds = int(lab.options.seconds or SECONDS)
    per_s = int(lab.options.rate or PER_SECOND)
    raw = _measure(lab.folder("timers"), max(ROWS, per_s * seconds), per_s, seconds)
    lost = raw["due"] - raw["fired"]
    late = raw["late_ms"]
    return Result(
        case="timers",
        what=f"{raw['rows']:,} rows waiting, {per_s:,} due each second for {seconds} s",
        figures=[
            Figure(name="CPU per timer", value=raw["cpu_us_each"], unit="µs", goal=20, floor=40),
            Figure(
                name="lateness p99",
                value=float("inf") if lost else late["p99"],
                unit="ms",
                goal=200,
                floor=1_000,
            ),
            Figure(name="lateness p50", value=late["p50"] or 0, unit="ms"),
            Figure(name="RSS", value=raw["rss_mb"], unit="MB"),
        ],
        notes=[
            (
                "a process with the product's log and store of timers and nothing else: a row "
                "counts as fired when its record is durable; retiring it is in the CPU time; nobody reads "
                "the records, whose routing is in the other cases"
            ),
            *([f"NOT FIRED: {lost:,}"] if lost else []),
        ],
        raw=raw,
    )


def _measure(folder: Path, rows: int, per_s: int, seconds: int) -> dict[str, Any]:
    folder.mkdir(parents=True)
    numbers = map(str, (rows, per_s, seconds))
    done = subprocess.run(
        [sys.executable, "-m", "bench.timing", str(folder), *numbers],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
