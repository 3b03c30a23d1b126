"""A disk without room, and a disk that fails."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.faults.checker import inbox, settled
from tests.faults.server import Caller, NoAnswer, Server, environment_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

LAYOUTS = pytest.mark.parametrize("layout", ["joint", "split"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def send(call: Caller, name: str, text: str) -> int:
    """Send one event to one person; return the status."""
    event = {"type": "note", "id": name, "source": "s", "recipients": ["ana"]}
    return call("POST", "/v1/events", {**event, "data": {"n": name, "text": text}}).status


def publish(call: Caller) -> None:
    step = {"channel": "inbox", "title": "{{ data.n }}", "body": "x"}
    assert call("PUT", "/v1/workflows/note", {"key": "note", "steps": [step]}).status < 300
    assert call("POST", "/v1/workflows/note/publish").status < 300


@LAYOUTS
def test_a_full_disk_refuses_keeps_and_recovers(small_disk: Path, layout: str) -> None:
    settings = environment_of(layout, TOCSIN_STORE__FREE_BYTES_MIN="1000000")
    with Server(small_disk / "d", **settings) as server:
        server.start()
        accepted = []
        with server.caller() as call:
            publish(call)
            ballast = small_disk / "ballast"
            statuses = set()
            for round_ in range(3):
                fill(ballast)
                for number in range(400):
                    name = f"{round_}-{number}"
                    status = send(call, name, "x" * 20_000)
                    statuses.add(status)
                    if status == 202:
                        accepted.append(name)
                    elif number > 100:
                        break
                assert call("GET", "/readyz").status == 503
                assert call("GET", "/healthz").status == 200
                # What was acknowledged before can be read while nothing can be written.
                assert call("GET", "/v1/workflows/note").status == 200
                ballast.unlink()
                again = f"{round_}-after"
                server.until(partial(takes, call, again))
                accepted.append(again)
                server.until(partial(ready, call))
        assert statuses >= {202, 507}
        assert statuses <= {202, 503, 507}
        settled(server)
        assert sorted(item["title"] for item in inbox(server, "ana")) == sorted(accepted)
        server.end()
        server.start()
        settled(server)
        assert sorted(item["title"] for item in inbox(server, "ana")) == sorted(accepted)


def takes(call: Caller, name: str) -> bool:
    return send(call, name, "") == 202


def ready(call: Caller) -> bool:
    return call("GET", "/readyz").status == 200


def fill(ballast: Path) -> None:
    """Leave a few hundred kilobytes."""
    free = shutil.disk_usage(ballast.parent).free
    with ballast.open("wb") as file:
        file.write(b"\0" * max(0, free - 400_000))


@LAYOUTS
def test_after_a_failed_write_nothing_more_is_acknowledged(tmp_path: Path, layout: str) -> None:
    # Files may not grow beyond their present size: SQLite sees an input/output error, no ENOSPC.
    with Server(tmp_path / "d", **environment_of(layout)) as server:
        server.start()
        accepted = []
        with server.caller() as call:
            publish(call)
            for number in range(20):
                assert send(call, f"before-{number}", "x") == 202
                accepted.append(f"before-{number}")
            log = "tocsin.db-wal" if layout == "joint" else "log.db-wal"
            size = (server.data / log).stat().st_size
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, size))
            after = []
            for number in range(2_000):
                try:
                    after.append((number, send(call, f"after-{number}", "y" * 500)))
                except NoAnswer:
                    break
        assert server.process.wait(30) == 1
        statuses = [status for _, status in after]
        failed = statuses.index(500) if 500 in statuses else len(statuses)
        assert 202 not in statuses[failed:]
        accepted += [f"after-{number}" for number, status in after if status == 202]
        server.start()
        settled(server)
        shown = [item["title"] for item in inbox(server, "ana")]
        assert len(set(shown)) == len(shown)
        assert set(accepted) <= set(shown)
