"""How fast this machine is right now, so that figures of different machines can be compared."""

import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench import native

PYTHON_LOOP_TURNS = 1_000_000
FLUSHES = 200
FLUSH_BYTES = 4096


def calibrate(folder: Path) -> dict[str, Any]:
    """Run a C send() loop, a fixed Python loop and lone flushes of a file in ``folder``."""
    sent = subprocess.run([native.program("calibrate")], check=True, capture_output=True, text=True)
    return {
        "c_send_300_bytes": json.loads(sent.stdout),
        "python_loop_s": round(min(_python_loop_s() for _ in range(3)), 4),
        "flush_4_kib": _flush(folder),
        "load_average": os.getloadavg(),
    }


def machine(argv: list[str]) -> dict[str, Any]:
    """What was run, when, and on what."""
    return {
        "command": shlex.join(["python", "-m", "bench", *argv]),
        "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": f"{os.cpu_count()} x {_field('/proc/cpuinfo', 'model name')}",
        "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {sys.version.split()[0]}",
    }


def _python_loop_s() -> float:
    """CPU seconds of a loop over the operations that an interpreter spends its time on."""
    started = time.process_time()
    table: dict[str, int] = {}
    for turn in range(PYTHON_LOOP_TURNS):
        key = f"k{turn & 1023}"
        table[key] = table.get(key, 0) + len(key)
    return time.process_time() - started


def _flush(folder: Path) -> dict[str, float]:
    path = folder / "flush.probe"
    block = os.urandom(FLUSH_BYTES)
    times_us = []
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        for _ in range(FLUSHES):
            started = time.perf_counter()
            os.write(descriptor, block)
            os.fdatasync(descriptor)
            times_us.append((time.perf_counter() - started) * 1e6)
    finally:
        os.close(descriptor)
        path.unlink()
    quantiles = statistics.quantiles(times_us, n=100)
    return {"p50_us": round(quantiles[49], 1), "p99_us": round(quantiles[98], 1)}


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"
