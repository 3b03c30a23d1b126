"""Runs the load generator against a server and measures the server meanwhile."""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bench import native
from bench.process import Usage
from bench.server import Server

EVENT_BYTES = 550


@dataclass(frozen=True, kw_only=True)
class Load:
    """What to send. ``tokens`` are (recipient, token) pairs that connect by WebSocket; without
    them events go to ``recipients`` people uniformly, and nobody listens."""

    mode: str
    seconds: float
    rate: float = 0.0
    batch: int = 1
    senders: int = 16
    warmup_s: float = 2.0
    drain_s: float = 10.0
    tokens: Sequence[tuple[str, str]] = ()
    recipients: int = 0
    type: str = "bench.order"
    reconnect_s: float = 0.0
    """Within how long a client whose socket is lost tries again; 0: never."""
    single: bool = False
    batch_frames: bool = True
    acknowledge: bool = False


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The generator's own results and the server's usage around them.

    ``before`` was taken when every socket was open, ``after`` when the last item had come.
    """

    generator: dict[str, Any]
    before: Usage
    after: Usage
    wall_s: float
    offered_s: float

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all server processes, warm-up and draining included."""
        return self.after.cpu_s - self.before.cpu_s


class GeneratorFailed(Exception):
    """The load generator ended without results."""


def run(server: Server, load: Load, *, when_sending: Callable[[], None] | None = None) -> Measured:
    """Open the sockets, send, wait for what was sent, and count."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        command = _command(server, load, Path(folder))
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                return _follow(process, server, load.seconds, when_sending)
            finally:
                process.kill()


def _command(server: Server, load: Load, folder: Path) -> list[str]:
    options: dict[str, object] = {
        "port": server.port,
        "key-file": server.key_file,
        # Short and new for each run: items of an earlier run must not be taken for this one's.
        "tag": format(time.time_ns() // 1_000_000 % 2**40, "x"),
        "mode": load.mode,
        "rate": load.rate,
        "batch": load.batch,
        "senders": load.senders,
        "seconds": load.seconds,
        "warmup": load.warmup_s,
        "drain": load.drain_s,
        "event-bytes": EVENT_BYTES,
        "recipients": load.recipients,
        "type": load.type,
        "reconnect": load.reconnect_s,
    }
    if load.tokens:
        tokens = folder / "tokens"
        tokens.write_text("".join(f"{recipient} {token}\n" for recipient, token in load.tokens))
        options["tokens"] = tokens
    flags = {
        "--single": load.single,
        "--batch-frames": load.batch_frames,
        "--acknowledge": load.acknowledge,
    }
    command = [str(native.program("load"))]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    return command + [flag for flag, wanted in flags.items() if wanted]


def _follow(
    process: "subprocess.Popen[str]",
    server: Server,
    offered_s: float,
    when_sending: Callable[[], None] | None,
) -> Measured:
    if process.stdin is None or process.stdout is None:
        raise GeneratorFailed("no pipes to the load generator")
    _expect(process.stdout, "ready")
    before, started = server.usage(), time.monotonic()
    process.stdin.write("go\n")
    process.stdin.flush()
    _expect(process.stdout, "sending")
    if when_sending is not None:
        when_sending()
    _expect(process.stdout, "draining")
    results = _expect(process.stdout, "done")
    return Measured(
        generator=results,
        before=before,
        after=server.usage(),
        wall_s=time.monotonic() - started,
        offered_s=offered_s,
    )


def _expect(lines: IO[str], phase: str) -> dict[str, Any]:
    line = lines.readline()
    if not line:
        raise GeneratorFailed(f"the load generator ended before it was {phase!r}; see above")
    report: dict[str, Any] = json.loads(line)
    if report["phase"] != phase:
        raise GeneratorFailed(f"expected the phase {phase!r}, got {report['phase']!r}")
    return report
