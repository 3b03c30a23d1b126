"""A record that breaks its reader stops nothing else, and can be seen."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.faults.checker import inbox, settled
from tests.faults.server import Caller, Server, environment_of
from tocsin.adapters.sqlite.chunk import count, pack
from tocsin.adapters.sqlite.topics import position_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

LAYOUTS = pytest.mark.parametrize("layout", ["joint", "split"])
GARBAGE = [b"", b"\xff\x00 no record", bytes(5_000), b"\x95\xa5event\x01"]


def publish(call: Caller) -> None:
    step = {"channel": "inbox", "title": "{{ data.n }}", "body": "x"}
    assert call("PUT", "/v1/workflows/note", {"key": "note", "steps": [step]}).status < 300
    assert call("POST", "/v1/workflows/note/publish").status < 300


def send(call: Caller, names: list[str], person: str = "ana") -> list[str]:
    events = [
        {"type": "note", "id": n, "source": "s", "recipients": [person], "data": {"n": n}}
        for n in names
    ]
    answer = call("POST", "/v1/events", events)
    assert answer.status == 202, answer
    return [str(each["id"]) for each in answer.body["events"]]


def dead_letters(call: Caller) -> float:
    lines = call("GET", "/metrics").body.decode().splitlines()
    return sum(float(x.rpartition(" ")[2]) for x in lines if x.startswith("tocsin_dead_letters_t"))


@LAYOUTS
def test_records_that_nobody_can_read_are_passed_and_counted(tmp_path: Path, layout: str) -> None:
    names = [f"n{number}" for number in range(40)]
    with Server(tmp_path / "d", **environment_of(layout)) as server:
        server.start()
        with server.caller() as call:
            publish(call)
            send(call, names[:20])
            settled(server)
        server.end(signal.SIGTERM)
        spoiled = spoil(server.data / ("tocsin.db" if layout == "joint" else "log.db"))
        assert spoiled >= len(GARBAGE)
        server.start()
        with server.caller() as call:
            send(call, names[20:])
            settled(server)
            assert sorted(item["title"] for item in inbox(server, "ana")) == sorted(names)
            assert dead_letters(call) == spoiled
            audit = call("GET", "/v1/audit?since=1h").body
            assert audit["balanced"], str(audit)


def spoil(file: Path) -> int:
    """Append records to every partition that no version ever wrote; return how many."""
    spoiled = 0
    with apsw.Connection(str(file)) as log:
        found: Any = log.execute(
            "SELECT number FROM log_topic WHERE name = 'events.transactional'"
        ).get
        topic = int(found)
        spans: list[tuple[Any, ...]] = log.execute(
            "SELECT partition, max(position), max(last_ms) FROM log_span WHERE topic = ?"
            " GROUP BY partition",
            (topic,),
        ).fetchall()
        for partition, position, last_ms in spans:
            chunks: list[tuple[Any, ...]] = log.execute(
                "SELECT place, body FROM log_chunk WHERE place >> 44 = ? ORDER BY place DESC",
                (topic << 8 | partition,),
            ).fetchall()
            place, body = chunks[0]
            assert position_of(place) == position
            end = place + count(body)
            log.execute("INSERT INTO log_chunk VALUES (?, ?)", (end, pack(GARBAGE)))
            log.execute(
                "INSERT INTO log_span VALUES (?, ?, ?, ?, ?, ?)",
                (topic, partition, last_ms, position_of(end), last_ms, len(GARBAGE)),
            )
            spoiled += len(GARBAGE)
    return spoiled


@LAYOUTS
def test_an_event_that_breaks_the_code_is_poison_alone(tmp_path: Path, layout: str) -> None:
    names = [f"n{number}" for number in range(30)]
    settings = environment_of(layout, VICTIM_BREAKS_ON="boom")
    with Server(tmp_path / "d", **settings) as server:
        server.start(crash_at="never:1")
        with server.caller() as call:
            publish(call)
            send(call, names[:15])
            broken = send(call, ["broken"], "boom")
            send(call, names[15:])
            settled(server)
            assert sorted(item["title"] for item in inbox(server, "ana")) == sorted(names)
            assert dead_letters(call) == 1
            shown = call("GET", f"/v1/events/{broken[0]}")
            assert (shown.status, "poison" in str(shown.body)) == (200, True), shown
            assert call("GET", "/v1/audit?since=1h").body["balanced"]
        assert server.end(signal.SIGTERM) == 0
