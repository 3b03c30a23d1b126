"""The outside as its own process: `tocsin sandbox`, which keeps all that it was sent."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

import msgspec

from tests.faults.server import HANG_S, TOP
from tocsin.ports.simulator import Received
from tocsin.wiring.vendors import MESSAGES_FOLDER, Places


class Outside:
    """The process that plays the vendors. As a context manager it does not outlive its test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.alive:
            self.end()

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        command = [sys.executable, "-m", "tocsin", "sandbox", "--data", str(self.folder)]
        environment = {"PYTHONPATH": f"{TOP / 'src'}:{TOP}"}
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("Start a server"):
                return
        raise AssertionError(f"it did not start: {self.process.wait()}")

    def end(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(HANG_S)

    def places(self) -> Places:
        return msgspec.json.decode((self.folder / "sandbox.json").read_bytes(), type=Places)

    def taken(self) -> list[Received]:
        """Return all that any vendor took, each in the order of its arrival."""
        received: list[Received] = []
        for file in sorted((self.folder / MESSAGES_FOLDER).glob("*.jsonl")):
            lines = file.read_bytes().splitlines(keepends=True)
            # The last line may be on its way.
            whole = [line for line in lines if line.endswith(b"\n")]
            received += [msgspec.json.decode(line, type=Received) for line in whole]
        return [each for each in received if each.taken]
