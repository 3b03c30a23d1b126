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
from tests.faults.server import HANG_S, Caller, NoAnswer, Server, environment_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

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


def send(call: Caller, name: str, text: str, workflow: str = "note") -> int:
    """Send one event to one person; return the status."""
    event = {"type": workflow, "id": name, "source": "s", "recipients": ["ana"]}
    return call("POST", "/v1/events", {**event, "data": {"n": name, "text": text}}).status


def publish(call: Caller, key: str = "note", lane: str = "transactional") -> None:
    step = {"channel": "inbox", "title": "{{ data.n }}", "body": "x"}
    document = {"key": key, "lane": lane, "steps": [step]}
    assert call("PUT", f"/v1/workflows/{key}", document).status < 300
    assert call("POST", f"/v1/workflows/{key}/publish").status < 300


@LAYOUTS
def test_a_full_disk_refuses_keeps_and_recovers(small_disk: Path, layout: str) -> None:
    # Without the marks that stop accepting while there is room left.
    marks = {f"TOCSIN_STORE__FREE_{mark}_PERCENT": "0" for mark in ("LOW", "BULK", "STOP")}
    settings = environment_of(layout, TOCSIN_STORE__FREE_BYTES_MIN="1000000", **marks)
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


@LAYOUTS
def test_accepting_stops_while_there_is_room_left(small_disk: Path, layout: str) -> None:
    settings = environment_of(
        layout,
        TOCSIN_STORE__FREE_BYTES_MIN="1000000",
        TOCSIN_STORE__FREE_LOW_PERCENT="40",
        TOCSIN_STORE__FREE_BULK_PERCENT="30",
        TOCSIN_STORE__FREE_STOP_PERCENT="15",
        TOCSIN_STORE__BALLAST_BYTES="1000000",
    )
    with Server(small_disk / "d", **settings) as server:
        server.start()
        ballast, filler = server.data / "ballast", small_disk / "filler"
        server.until(ballast.exists)
        with server.caller() as call:
            publish(call)
            publish(call, "news", lane="bulk")
            accepted = []
            fill(filler, share=0.22)
            server.until(lambda: send(call, "bulk", "", "news") == 503)
            assert send(call, "first", "") == 202
            accepted.append("first")
            assert call("GET", "/readyz").status == 200
            fill(filler, share=0.08)
            server.until(lambda: send(call, "none", "") == 503)
            server.until(lambda: not ballast.exists())
            assert send(call, "bulk", "", "news") == 503
            filler.unlink()
            server.until(partial(takes, call, "after"))
            accepted.append("after")
            assert send(call, "bulk", "", "news") == 202
            accepted.append("bulk")
            server.until(ballast.exists)
        settled(server)
        shown = {item["title"] for item in inbox(server, "ana")}
        # Until the level was seen, others were accepted under their names, and stand.
        assert shown >= set(accepted)


def takes(call: Caller, name: str) -> bool:
    return send(call, name, "") == 202


def ready(call: Caller) -> bool:
    return call("GET", "/readyz").status == 200


def fill(filler: Path, share: float | None = None) -> None:
    """Leave a few hundred kilobytes, or a share of the disk."""
    usage = shutil.disk_usage(filler.parent)
    left = 400_000 if share is None else int(share * usage.total)
    with filler.open("ab") as file:
        file.write(b"\0" * max(0, usage.free - left))


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
        assert server.process.wait(HANG_S) == 1
        statuses = [status for _, status in after]
        failed = statuses.index(500) if 500 in statuses else len(statuses)
        assert 202 not in statuses[failed:]
        accepted += [f"after-{number}" for number, status in after if status == 202]
        server.start()
        settled(server)
        shown = [item["title"] for item in inbox(server, "ana")]
        assert len(set(shown)) == len(shown)
        assert set(accepted) <= set(shown)
