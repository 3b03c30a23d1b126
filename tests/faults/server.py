"""A server as its own process: started, called, killed and started again."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.cli.server import PATIENCE_S
from tests.disk import ANY_DISK

TOP = Path(__file__).parents[2]
HANG_S = PATIENCE_S
"""Nothing here takes so long; whatever does hangs."""


IDLE_S = 2
"""After that another connection is made: a server closes one after 5 s, while it is written to."""


class Reply(NamedTuple):
    """Status and JSON body."""

    status: int
    body: Any


class NoAnswer(Exception):
    """The connection ended before the answer: nobody knows whether it was done."""


class Caller:
    """One connection of one client, with its key or token."""

    def __init__(self, port: int, secret: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_S)
        self._secret = secret
        self._heard_s = time.monotonic()

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        sent = {"Authorization": f"Bearer {self._secret}", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        text = None if body is None else json.dumps(body)
        if time.monotonic() - self._heard_s > IDLE_S:
            self._connection.close()
        try:
            self._connection.request(method, path, text, sent)
            answer = self._connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise NoAnswer from error
        self._heard_s = time.monotonic()
        return Reply(answer.status, json.loads(raw) if raw.startswith((b"{", b"[")) else raw)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


class Server:
    """The process that holds one data folder. As a context manager it does not outlive its test."""

    def __init__(self, data: Path, **settings: str) -> None:
        self.data = data
        self.settings = settings
        self.log = data.with_name(data.name + ".log")
        self.port = 0
        self.ready_s = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, crash_at: str | None = None, wait: bool = True) -> None:
        """Start it; with *crash_at* as the victim that ends there."""
        environment = {
            **{name: value for name, value in os.environ.items() if "TOCSIN" not in name},
            **ANY_DISK,
            **self.settings,
            "PYTHONPATH": f"{TOP / 'src'}:{TOP}",
        }
        if crash_at is None:
            command = [sys.executable, "-m", "tocsin", "up", "--data", str(self.data)]
            command += ["--port", "0"]
        else:
            command = [sys.executable, "-m", "tests.faults.victim", str(self.data)]
            environment["VICTIM_CRASH_AT"] = crash_at
        (self.data / "address").unlink(missing_ok=True)
        began = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, cwd=TOP
            )
        if wait and self.until(self._answers):
            self.ready_s = time.monotonic() - began
        elif wait and crash_at is None:
            raise AssertionError(f"it did not start: {self.log.read_text()[-2_000:]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.alive:
            self.end()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def until(self, condition: Callable[[], bool]) -> bool:
        """Wait for *condition*, as long as the process lives; fails when it hangs."""
        deadline = time.monotonic() + HANG_S
        while not condition():
            if not self.alive:
                return False
            assert time.monotonic() < deadline, f"{condition} never came true"
            self.pause(0.01)
        return True

    def pause(self, seconds: float) -> None:
        """Let time pass, or return when the process has ended."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def end(self, number: int = signal.SIGKILL) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        if self.alive:
            self.process.send_signal(number)
        return self.process.wait(HANG_S)

    def key(self) -> str:
        return (self.data / "sandbox.key").read_text().strip()

    def caller(self, secret: str | None = None) -> Caller:
        return Caller(self.port, self.key() if secret is None else secret)

    def _answers(self) -> bool:
        address = self.data / "address"
        if not address.exists():
            return False
        self.port = int(address.read_text().strip().rpartition(":")[2])
        try:
            with Caller(self.port, "") as call:
                return call("GET", "/readyz").status == 200
        except NoAnswer:
            return False


def environment_of(layout: str, **more: str) -> Mapping[str, str]:
    """Return the variables of a server with this layout."""
    return {"TOCSIN_STORE__LAYOUT": layout, **more}
