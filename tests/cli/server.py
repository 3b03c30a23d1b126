"""A real server process on a free port, and commands run against it as processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.disk import ANY_DISK

PATIENCE_S = 90.0
"""
How long another process may take for anything: a start takes a second, and half a minute on a
machine that has ten times as much to do as it can. Whoever takes longer hangs.
"""


class Server:
    """A running ``tocsin up``."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self.folder = folder
        self.process = process

    @property
    def address(self) -> str:
        """Where it listens."""
        return (self.folder / "address").read_text().strip()

    def stop(self) -> int:
        """Ask it to end; return its code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


class Done:
    """A command that has ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def document(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


def environment(**changes: str) -> dict[str, str]:
    """Return the process's own environment without any setting of ours, and *changes*."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    source = str(Path(__file__).resolve().parents[2] / "src")
    return {**own, **ANY_DISK, "PYTHONPATH": source, "COLUMNS": "200", **changes}


def run(arguments: Sequence[str], *, given: str = "", env: Mapping[str, str] | None = None) -> Done:
    """Run one command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=dict(env or environment()),
    )
    return Done(done.returncode, done.stdout, done.stderr)


def until(what: str, holds: Any, *, within_s: float = PATIENCE_S) -> None:
    """Return when *holds* answers true, which another process brings about."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {within_s} s")
        time.sleep(0.02)  # noqa: TID251  # house: allow sleep, another process tells nobody


@contextmanager
def serving(folder: Path, *, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Start a server on *folder* and stop it again."""
    with (folder.parent / f"{folder.name}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tocsin", "up", "--data", str(folder), "--port", "0"],
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            env=dict(env or environment()),
        )
        server = Server(folder, process)
        try:
            until("the start", lambda: (folder / "address").exists() or process.poll() is not None)
            assert process.poll() is None, Path(log.name).read_text()
            yield server
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(PATIENCE_S)
