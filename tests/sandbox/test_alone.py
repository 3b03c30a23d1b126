"""`tocsin sandbox` and `tocsin up` as two processes, either of which is killed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.outside import Outside
from tests.faults.server import HANG_S, Caller, Server
from tests.sandbox.site import BEGIN_MS, HOUR_MS
from tocsin.domain.instants import parse_instant

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

HELLO = {
    "key": "hello",
    "expires_in": "30d",
    "steps": [{"channel": "email", "subject": "Hello {{ data.n }}", "text": "It is {{ data.n }}"}],
}


@contextmanager
def both(tmp_path: Path) -> Iterator[tuple[Outside, Server]]:
    folder = tmp_path / "outside"
    settings = {"TOCSIN_SANDBOX__FOLDER": str(folder), "TOCSIN_SANDBOX__CLOCK": "2016-09-01"}
    with Outside(folder) as outside, Server(tmp_path / "data", **settings) as server:
        server.start()
        yield outside, server


def ask(call: Caller, method: str, path: str, body: object = None, status: int = 200) -> Any:
    reply = call(method, path, body)
    assert reply.status == status, reply
    return reply.body


def prepare(call: Caller) -> None:
    ask(call, "PUT", "/v1/workflows/hello", HELLO)
    ask(call, "POST", "/v1/workflows/hello/publish")
    ask(call, "PUT", "/v1/recipients/ana", {"email": "ana@example.com"}, 201)


def trigger(call: Caller, n: int) -> None:
    body = {"recipients": ["ana"], "data": {"n": n}}
    ask(call, "POST", "/v1/workflows/hello/trigger", body, 202)


def advance(call: Caller, by: str) -> int:
    return parse_instant(ask(call, "POST", "/v1/sandbox/clock", {"advance": by})["now"])


def subjects(call: Caller) -> list[str]:
    found = ask(call, "GET", "/v1/sandbox/messages?recipient=ana")["messages"]
    return [each["content"]["subject"] for each in found if each["taken"]]


def test_killing_the_outside_loses_neither_what_it_took_nor_what_it_is_to_take(
    tmp_path: Path,
) -> None:
    with both(tmp_path) as (outside, server), server.caller() as call:
        prepare(call)
        trigger(call, 1)
        advance(call, "1s")
        assert subjects(call) == ["Hello 1"]
        before = outside.places()

        outside.end()
        assert ask(call, "GET", "/v1/sandbox/messages", status=503)["code"] == "unavailable"
        trigger(call, 2)
        advance(call, "2s")

        outside.start()
        # What others need not find again may have lost its port to another process.
        now = outside.places()
        assert (now.control, now.providers["smtp"]) == (before.control, before.providers["smtp"])
        assert subjects(call) == ["Hello 1"]
        now_ms = advance(call, "1d")
        assert subjects(call) == ["Hello 2", "Hello 1"]
        newest = ask(call, "GET", "/v1/sandbox/messages?limit=1")["messages"][0]
        assert BEGIN_MS < parse_instant(newest["received_at"]) <= now_ms
        assert outside.end(signal.SIGTERM) == 0


def test_killing_the_server_repeats_nothing_and_does_not_turn_time_back(tmp_path: Path) -> None:
    with both(tmp_path) as (outside, server):
        with server.caller() as call:
            prepare(call)
            trigger(call, 1)
            last_ms = advance(call, "3d")
        server.end()
        server.start()
        with server.caller() as call:
            now_ms = parse_instant(ask(call, "GET", "/v1/sandbox/clock")["now"])
            assert last_ms <= now_ms < last_ms + HOUR_MS
            trigger(call, 2)
            advance(call, "1s")
            assert subjects(call) == ["Hello 2", "Hello 1"]
        assert outside.alive


def test_faults_are_turned_through_the_server(tmp_path: Path) -> None:
    with both(tmp_path) as (_, server), server.caller() as call:
        path = "/v1/sandbox/faults/smtp"
        assert ask(call, "GET", path)["down"] is False
        assert ask(call, "PUT", path, {"down": True})["down"] is True
        assert ask(call, "GET", path)["down"] is True
        problem = ask(call, "PUT", path, {"errors": {"nonsense": 0.5}}, 422)
        assert problem["errors"][0]["pointer"] == "/errors/nonsense"
        ask(call, "GET", "/v1/sandbox/faults/pigeon", status=404)
        ask(call, "POST", "/v1/sandbox/messages/smtp-9/deliver", status=404)


def test_a_server_without_its_outside_says_how_to_start_one(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", TOCSIN_SANDBOX__FOLDER=str(tmp_path / "nothing"))
    with server:
        server.start(wait=False)
        assert server.process.wait(HANG_S) != 0
    assert "tocsin sandbox --data" in server.log.read_text()


def test_the_alone_process_answers_nobody_without_its_key(tmp_path: Path) -> None:
    with both(tmp_path) as (outside, _):
        control = outside.places().control
        assert control is not None
        port = int(control.url.rpartition(":")[2])
        with Caller(port, "guess") as call:
            ask(call, "GET", "/v1/sandbox/messages", status=401)
        with Caller(port, control.key) as call:
            assert ask(call, "GET", "/v1/sandbox/messages")["messages"] == []
            ask(call, "GET", "/v1/sandbox/messages?recipient=ana", status=422)
        assert (outside.folder / "sandbox.json").stat().st_mode & 0o777 == 0o600
