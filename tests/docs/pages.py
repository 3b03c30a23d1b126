"""
Running the commands of a page as a reader would paste them.

A fence says in its first line what is done with it: ``sh up`` starts the server (whatever the
block says, on a free port), ``sh run`` runs and must succeed, ``sh live`` runs beside the rest until
the page ends. A ``text`` fence right below says which lines come out, in this order; ``…`` stands for
anything within a line, and other lines may come between.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import httpx2

from tests.cli.server import PATIENCE_S
from tests.disk import ANY_DISK

ROOT: Final = Path(__file__).parents[2]
PORT: Final = "8600"
"""What pages write; it becomes the port of the server that was started."""

_FENCE: Final = re.compile(r"(?ms)^```([^\n]*)\n(.*?)^```$")
_READY: Final = re.compile(r"ready on http://127\.0\.0\.1:(\d+)")
_KINDS: Final = frozenset({"sh up", "sh run", "sh live"})


class Block(NamedTuple):
    """One fence to run, with the lines that must come out."""

    kind: str
    script: str
    promised: str
    line: int


def blocks(text: str) -> list[Block]:
    """The blocks of a page that are run."""
    fences = [
        (m.group(1).strip(), m.group(2), text.count("\n", 0, m.start()) + 1, m)
        for m in _FENCE.finditer(text)
    ]
    found = []
    for number, (kind, script, line, match) in enumerate(fences):
        if kind not in _KINDS:
            continue
        promised = ""
        if number + 1 < len(fences):
            below, output, _, next_match = fences[number + 1]
            # Prose of one line may stand between, as "The other terminal shows:".
            between = text[match.end() : next_match.start()].strip()
            if below == "text" and between.count("\n") == 0:
                promised = output
        found.append(Block(kind, script, promised, line))
    return found


def missing(promised: str, output: str) -> str | None:
    """The first promised line that does not come out in its place."""
    rest = iter(_plain(line) for line in output.splitlines())
    for line in filter(None, map(_plain, promised.splitlines())):
        pattern = re.compile(".*".join(map(re.escape, line.split("…"))))
        if not any(pattern.search(each) for each in rest):
            return line
    return None


def _has_all(promised: str, output: str) -> bool:
    return missing(promised, output) is None


def _plain(line: str) -> str:
    return " ".join(line.split())


class Session:
    """A folder with the examples and the program in it, as a checkout has them, and a server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "checkout"
        self._state = folder / "state"
        self._port = PORT
        self._running: list[_Live] = []
        self._live: list[tuple[Block, _Live]] = []
        self._folder.mkdir()
        (self._folder / "examples").symlink_to(ROOT / "examples")
        # Where `make up` puts them, whatever runs these tests.
        programs = self._folder / ".venv/bin"
        programs.mkdir(parents=True)
        for name, call in (("python", ""), ("tocsin", "-m tocsin")):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {call} "$@"\n', "utf-8")
            program.chmod(0o755)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for live in reversed(self._running):
            live.stop()

    def run(self, block: Block) -> str:
        """Do what *block* says; returns what came out, or fails with it."""
        match block.kind:
            case "sh up":
                return self._up(block)
            case "sh live":
                live = self._start(["bash", "-c", self._script(block.script)])
                self._live.append((block, live))
                # It has begun when it has said something: what is sent now must not miss it.
                live.until(bool)
                return ""
            case _:
                done = subprocess.run(
                    ["bash", "-c", self._script(block.script)],
                    cwd=self._folder,
                    env=self._environment(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=PATIENCE_S,
                    check=False,
                )
                assert done.returncode == 0, f"line {block.line}:\n{done.stdout}"
                self._settle()
                return done.stdout

    def live_output(self) -> Iterator[tuple[Block, str]]:
        """Each live block with what it has said, as soon as that holds what it promised."""
        for block, live in self._live:
            live.until(partial(_has_all, block.promised))
            yield block, live.output

    def _settle(self) -> None:
        """Return when all that was sent is routed: a reader is slower than that, a test is not."""
        key = self._folder / "data/sandbox.key"
        if not key.is_file():
            return
        headers = {"Authorization": f"Bearer {key.read_text('utf-8').strip()}"}
        deadline = time.monotonic() + PATIENCE_S
        with httpx2.Client(base_url=f"http://127.0.0.1:{self._port}", headers=headers) as client:
            while time.monotonic() < deadline:
                lines = client.get("/v1/audit").json()["events"].values()
                if not sum(line["waiting"] for line in lines):
                    return

    def _up(self, block: Block) -> str:
        program = [sys.executable, "-m", "tocsin", "up", "--port", "0"]
        live = self._start(program)
        live.until(lambda output: _READY.search(output) is not None)
        found = _READY.search(live.output)
        assert found is not None, f"line {block.line}: no server\n{live.output}"
        self._port = found.group(1)
        return live.output.replace(self._port, PORT)

    def _start(self, command: list[str]) -> _Live:
        live = _Live(command, self._folder, self._environment())
        self._running.append(live)
        return live

    def _script(self, script: str) -> str:
        """What is assigned in one block is known in the next, as in one terminal."""
        keep = f"set -aeuo pipefail\nif [ -f '{self._state}' ]; then . '{self._state}'; fi\n"
        body = script.replace(PORT, self._port)
        return f"{keep}{body}\nexport -p > '{self._state}'\n"

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "TOCSIN" not in name}
        source = {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
        return {**kept, **ANY_DISK, **source, "COLUMNS": "200"}


class _Live:
    """A process beside the page, with what it has said so far."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.output = ""
        self._said = threading.Condition()
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def until(self, holds: Callable[[str], bool]) -> None:
        """Return when *holds* of the output, when the process has ended, or after a while."""
        with self._said:
            self._said.wait_for(
                lambda: holds(self.output) or not self._reader.is_alive(), timeout=PATIENCE_S
            )

    def stop(self) -> None:
        """End the process and what it started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(timeout=PATIENCE_S)
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._said:
                self.output += line
                self._said.notify_all()
        with self._said:
            self._said.notify_all()


def pages() -> Iterator[Path]:
    """Every page of this repository that has something to run."""
    for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))):
        if blocks(path.read_text("utf-8")):
            yield path
