"""How a process begins and ends: in good order, at once, or with one sentence of why not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from tests.disk import ANY_DISK
from tests.faults.checker import check
from tests.faults.history import History
from tests.faults.load import Load, prepare
from tests.faults.server import HANG_S, TOP, NoAnswer, Server, environment_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

LAYOUTS = pytest.mark.parametrize("layout", ["joint", "split"])


def refused(data: Path, *options: str, **settings: str) -> tuple[int, str]:
    """Start a server that must not start; return its exit code and what it said."""
    ended = subprocess.run(
        [sys.executable, "-m", "tocsin", "up", "--data", str(data), "--port", "0", *options],
        env={**os.environ, **ANY_DISK, **settings, "PYTHONPATH": str(TOP / "src")},
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


@LAYOUTS
def test_sigterm_under_load_ends_in_good_order(tmp_path: Path, layout: str) -> None:
    history = History(tmp_path / "history.jsonl")
    with Server(tmp_path / "d", **environment_of(layout)) as server:
        server.start()
        prepare(server)
        load = Load(server, history, 1)
        load.follower.catch_up(0)
        for _ in range(3):
            load.begin()
            server.pause(0.7)
            assert server.end(signal.SIGTERM) == 0
            load.end()
            server.start()
            load.resend()
            assert check(server, history, load.follower) == []
        assert server.end(signal.SIGTERM) == 0
    history.close()
    assert "Traceback" not in server.log.read_text()


def test_sockets_are_told_to_connect_again(tmp_path: Path) -> None:
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect
    from websockets.typing import Subprotocol

    with Server(tmp_path / "d") as server:
        server.start()
        with server.caller() as call:
            token = call("POST", "/v1/tokens", {"recipient": "ana"}).body["token"]
        offered = [Subprotocol("tocsin.v1"), Subprotocol(f"bearer.{token}")]
        address = f"ws://127.0.0.1:{server.port}/v1/inbox/socket"
        with connect(address, subprotocols=offered) as client:
            client.recv(timeout=HANG_S)
            server.process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=HANG_S)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "restart")
        assert server.end(signal.SIGTERM) in {0, 128 + signal.SIGTERM}


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with Server(tmp_path / "d") as server:
        server.start()
        # A request whose body never comes is in hand, so the first signal has to wait for it.
        with socket.create_connection(("127.0.0.1", server.port)) as hanging:
            hanging.sendall(
                b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Authorization: Bearer %b\r\nContent-Length: 100\r\n\r\n" % server.key().encode()
            )
            server.until(lambda: in_hand(server))
            server.process.send_signal(signal.SIGTERM)
            server.until(lambda: not listens(server))
            assert server.alive
            assert server.end(signal.SIGTERM) == 128 + signal.SIGTERM


def in_hand(server: Server) -> bool:
    """Return whether the server holds the connections that were opened before."""
    with server.caller() as call:
        return call("GET", "/healthz").status == 200


def listens(server: Server) -> bool:
    """Return whether new connections are still taken."""
    try:
        return in_hand(server)
    except NoAnswer:
        return False


def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with Server(tmp_path / "d") as server:
        server.start()
        code, said = refused(server.data)
        assert code == 1
        assert f"process {server.process.pid}" in said
        assert len(said.splitlines()) == 1


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = refused(tmp_path / "d", "--port", str(port))
    assert code == 1
    assert f"port {port}" in said
    assert "--port" in said
    assert len(said.splitlines()) == 1


def test_a_real_installation_needs_its_key_and_leaves_no_folder_behind(tmp_path: Path) -> None:
    code, said = refused(tmp_path / "d", TOCSIN_MODE="real")
    assert code == 2
    assert "keys.encryption_key_file" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "d").exists()


def test_a_path_too_long_for_a_socket_is_one_sentence(tmp_path: Path) -> None:
    code, said = refused(tmp_path / ("long" * 30))
    assert code == 2
    assert "too long" in said


@LAYOUTS
def test_a_folder_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path, layout: str) -> None:
    with Server(tmp_path / "d", **environment_of(layout)) as server:
        server.start()
        server.end(signal.SIGTERM)
        file = server.data / ("tocsin.db" if layout == "joint" else "state.db")
        with apsw.Connection(str(file)) as database:
            database.execute("INSERT INTO schema_version VALUES ('state', 99, 'x', 'x', 1)")
        code, said = refused(server.data, **environment_of(layout))
        assert code == 1
        assert "has schema 99" in said
        with apsw.Connection(str(file)) as database:
            database.execute("DELETE FROM schema_version WHERE version = 99")
        server.start()
        assert server.alive


MIGRATE = """
import os, signal, sys
from pathlib import Path
from tocsin.adapters.sqlite import migrations
from tocsin.adapters.sqlite.connection import open_writer

number = int(sys.argv[2])
connection = open_writer(Path(sys.argv[1]))

def before(*_):
    global number
    number -= 1
    if not number:
        os.kill(os.getpid(), signal.SIGKILL)
    return True

connection.exec_trace = before
for db in ("log", "state", "views"):
    migrations.apply(connection, db, 1)
"""


def test_a_migration_that_is_killed_at_any_statement_is_resumed(tmp_path: Path) -> None:
    killed = 0
    file = tmp_path / "d" / "tocsin.db"
    file.parent.mkdir()
    with Server(file.parent) as server:
        # Each statement is the last one of a run; steps of 5 keep the whole under some seconds.
        for number in range(1, 1_000, 5):
            ended = subprocess.run(
                [sys.executable, "-c", MIGRATE, str(file), str(number)],
                env={**os.environ, "PYTHONPATH": str(TOP / "src")},
                check=False,
                timeout=HANG_S,
            )
            if ended.returncode != -signal.SIGKILL:
                assert ended.returncode == 0
                break
            killed += 1
            with apsw.Connection(str(file)) as database:
                assert database.execute("PRAGMA integrity_check").get == "ok"
        assert killed >= 5
        server.start()
        assert server.alive
        with server.caller() as call:
            assert call("POST", "/v1/events", {"type": "a.b", "id": "1"}).status == 202
