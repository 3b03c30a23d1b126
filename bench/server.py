"""The server under test, started as anybody would start it: ``tocsin up`` in its own process."""

import http.client
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from bench.client import Client
from bench.process import Usage, usage

READY_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0
DEFAULT_COMMAND = (sys.executable, "-m", "tocsin")


class NotReady(Exception):
    """The server ended, or did not become ready in time."""


class Server:
    """A running server on a data folder. Use as a context manager: leaving it sends SIGTERM."""

    def __init__(
        self, data: Path, *, config: Path | None, command: Sequence[str] = DEFAULT_COMMAND
    ) -> None:
        self.data = data
        self.port = free_port()
        self.ready_s = 0.0
        self.log = data.with_name(f"{data.name}.log")
        self._arguments = [*command, "up", "--data", str(data), "--port", str(self.port)]
        if config is not None:
            self._arguments += ["--config", str(config)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            started = time.monotonic()
            self._process = subprocess.Popen(
                self._arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self._wait_ready(started)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process that was started; its children belong to the server, too."""
        if self._process is None:
            raise NotReady("the server was not started")
        return self._process.pid

    @property
    def key_file(self) -> Path:
        """Holds a key with every right; written by the sandbox."""
        return self.data / "sandbox.key"

    def client(self) -> Client:
        """A client with every right."""
        return Client(self.port, self.key_file.read_text().strip())

    def usage(self) -> Usage:
        """CPU and memory of all server processes."""
        return usage(self.pid)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone. Entering again starts it on the same folder."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that is not obeyed; both to the process that was started."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait_ready(self, started: float) -> None:
        while True:
            self.ready_s = time.monotonic() - started
            if self._is_ready():
                return
            if self._process is not None and self._process.poll() is not None:
                raise NotReady(f"the server ended with {self._process.returncode}: {self._tail()}")
            if self.ready_s > READY_LIMIT_S:
                raise NotReady(f"not ready after {READY_LIMIT_S:.0f} s: {self._tail()}")
            time.sleep(0.01)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


class RealServer(Server):
    """A server that simulates nothing; its key is made over the admin socket."""

    @property
    def key_file(self) -> Path:
        """Holds a key with every right."""
        path = self.data.with_name(f"{self.data.name}.key")
        if not path.exists():
            command = [sys.executable, "-m", "tocsin", "keys", "create", "bench"]
            command += ["--role", "admin", "--data", str(self.data)]
            made = subprocess.run(command, check=True, capture_output=True, text=True)
            path.write_text(made.stdout.strip())
        return path


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
