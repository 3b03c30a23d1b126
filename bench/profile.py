"""Where ``live`` spends its time: a sampling profile of the server, from outside."""

import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import seed
from bench.lab import Lab
from bench.load import Load, run
from bench.server import Server

SAMPLES_PER_SECOND = 200
TOP = 40


class ProfilerMissing(Exception):
    """py-spy is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "profiling needs py-spy, which reads the server's stacks from outside: "
            "`pip install py-spy`, and root or CAP_SYS_PTRACE"
        )


def profile(lab: Lab, stacks: Path) -> str:
    """Run ``live``, write folded stacks to ``stacks`` and return the top of them as text.

    Samples are taken without stopping the server, and of threads that use CPU only.
    """
    profiler = _profiler()
    options = lab.options
    seconds = options.seconds or 30
    with lab.seeded("profile") as server:
        load = Load(
            mode="open",
            rate=options.rate or 20_000,
            batch=100,
            seconds=seconds,
            tokens=seed.tokens(server, seed.spread_over(options.recipients, options.connected)),
            drain_s=30,
            batch_frames=options.batch_frames,
            acknowledge=options.acknowledge,
        )
        with _sampling(profiler, server, stacks):
            measured = run(server, load)
    received = measured.generator["received"]
    each = measured.cpu_s * 1e6 / received if received else 0
    return f"{received:,} received, {each:.1f} µs of server CPU each\n{summary(stacks)}"


def summary(stacks: Path) -> str:
    """The functions with the most samples of their own, and with the most in all they called."""
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for line in stacks.read_text().splitlines():
        folded, _, count = line.rpartition(" ")
        frames = folded.split(";")
        own[_function(frames[-1])] += int(count)
        for frame in {_function(frame) for frame in frames}:
            inclusive[frame] += int(count)
    total = sum(own.values())
    return "\n".join(
        [f"{total} samples", *_table("own", own, total), *_table("inclusive", inclusive, total)]
    )


def _function(frame: str) -> str:
    """A frame without its line number, so that the lines of one function add up."""
    head, colon, line = frame.rpartition(":")
    return head + ")" if colon and line.rstrip(")").isdigit() else frame


def _table(title: str, counts: Counter[str], total: int) -> Iterator[str]:
    yield f"\n{title:>9}"
    for name, count in counts.most_common(TOP):
        yield f"{100 * count / total:8.1f}% {name}"


def _profiler() -> str:
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise ProfilerMissing
    return found


@contextmanager
def _sampling(profiler: str, server: Server, stacks: Path) -> Iterator[None]:
    command = [profiler, "record", "--nonblocking", "--subprocesses", "--threads"]
    command += ["--rate", str(SAMPLES_PER_SECOND), "--format", "raw"]
    command += ["--output", str(stacks), "--pid", str(server.pid)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield
    finally:
        # py-spy writes its file when interrupted.
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=30)
    if not stacks.exists():
        raise RuntimeError(f"py-spy wrote nothing: {complaint.decode()[-1000:]}")
