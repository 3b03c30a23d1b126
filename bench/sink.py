"""A sink for HTTP/2 over TLS that is not ours: nghttpd, which serves files to whoever asks."""

import re
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.server import free_port
from tocsin.channels.simulating_tls import Keeping

H2LOAD_CALLS = 50_000
STARTS_WITHIN_S = 10
_RATE = re.compile(r"requests: .* (\d+) succeeded")


class SinkMissing(Exception):
    """nghttp2's tools are not installed; its words say how to get them."""


@dataclass(frozen=True, slots=True)
class H2Sink:
    """Where it listens, and who is to be trusted."""

    url: str
    ca_file: Path
    folder: Path


@contextmanager
def h2_sink(folder: Path, files: Mapping[str, bytes]) -> Iterator[H2Sink]:
    """Serve *files*, by path, until the end."""
    programs = [shutil.which(name) for name in ("nghttpd", "h2load")]
    if None in programs:
        raise SinkMissing(
            "install nghttp2-server and nghttp2-client, which bring nghttpd and h2load"
        )
    served = folder / "served"
    for path, body in files.items():
        place = served / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
    proof = Keeping(folder / "log").proof("sink")
    port = free_port()
    command = ["nghttpd", "-d", str(served), str(port), str(proof.key), str(proof.certificate)]
    sink = H2Sink(f"https://127.0.0.1:{port}", proof.authority, folder)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process)
            yield sink
        finally:
            process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when *process* listens, which it does not say."""
    limit_s = time.monotonic() + STARTS_WITHIN_S
    while process.poll() is None and time.monotonic() < limit_s:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise RuntimeError("nghttpd does not listen; is it installed (nghttp2-server)?")


def h2load(sink: H2Sink, path: str, body: bytes) -> float:
    """Return the CPU of nghttp2's own client for one call of the same size, in µs."""
    file = sink.folder / "body"
    file.write_bytes(body)
    program = [*("h2load", "-n", str(H2LOAD_CALLS), "-c", "1", "-m", "100", "-d", str(file))]
    before = _children_cpu_s()
    said = subprocess.run([*program, sink.url + path], check=True, capture_output=True, text=True)
    found = _RATE.search(said.stdout)
    if found is None or int(found[1]) != H2LOAD_CALLS:
        raise RuntimeError("h2load did not get through")
    return (_children_cpu_s() - before) * 1e6 / H2LOAD_CALLS


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
