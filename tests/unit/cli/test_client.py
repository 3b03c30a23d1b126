"""Commands reach a server through its socket or its URL, and say what to do when they cannot."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import click
import pytest
from click.testing import CliRunner

from tocsin.cli.client import ADMIN_SOCKET, Client, client_option
from tocsin.cli.exits import CannotReach, ServerRefused
from tocsin.config import Secret

CANARY = "tcs_c4n4ry"
PROBLEM = b'{"title":"t","detail":"Not like this","code":"invalid","errors":[{"pointer":"/data/x","detail":"must be there"}]}'


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"
    answers: ClassVar[dict[str, tuple[int, bytes]]] = {
        "/problem": (422, PROBLEM),
        "/proxy": (502, b"<html>Bad gateway</html>"),
        "/behind/who": (401, b'{"detail": "send Authorization: Bearer"}'),
        "/empty": (204, b""),
    }

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        echo = "|".join(
            (
                self.command,
                self.path,
                self.headers.get("Authorization", ""),
                self.headers.get("Content-Type", ""),
                body,
            )
        )
        status, answer = self.answers.get(self.path, (200, f'"{echo}"'.encode()))
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self) -> None:
        self.do_POST()

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Say nothing."""

    def address_string(self) -> str:
        return "test"


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Client]:
    with serving(socketserver.UnixStreamServer(str(tmp_path / ADMIN_SOCKET), Echo)):
        yield Client(data=tmp_path)


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Client]:
    server = socketserver.TCPServer(("127.0.0.1", 0), Echo)
    with serving(server):
        url = f"http://127.0.0.1:{server.server_address[1]}/behind/"
        yield Client(data=tmp_path, url=url, key=Secret(CANARY))


def test_a_local_command_needs_no_key(local: Client) -> None:
    reply = local.call("GET", "/v1/audit", query={"since": "1 h", "lane": ["a", "b"], "x": None})
    assert reply.json() == "GET|/v1/audit?since=1+h&lane=a&lane=b|||"


def test_a_document_is_sent_as_json(local: Client) -> None:
    reply = local.call("POST", "/v1/events", document=[1])
    assert reply.json() == "POST|/v1/events||application/json|[1]"


def test_a_body_is_sent_as_it_is(local: Client) -> None:
    reply = local.call("POST", "/import", body=b"a,b", content_type="text/csv")
    assert reply.json() == "POST|/import||text/csv|a,b"


def test_a_remote_command_brings_its_key_and_keeps_the_path_of_the_url(remote: Client) -> None:
    assert remote.call("GET", "/v1/me").json() == f"GET|/behind/v1/me|Bearer {CANARY}||"
    assert CANARY not in repr(remote)


def test_an_answer_without_a_body_is_none(local: Client) -> None:
    assert local.call("POST", "/empty").json() is None


def test_a_problem_is_told_with_its_fields(local: Client) -> None:
    with pytest.raises(ServerRefused) as refused:
        local.call("POST", "/problem")
    assert refused.value.detail == "Not like this\n  /data/x: must be there"
    assert (refused.value.answered_status, refused.value.answered_code) == (422, "invalid")


def test_what_a_proxy_says_is_no_problem_document(local: Client) -> None:
    with pytest.raises(ServerRefused, match="The server answered 502"):
        local.call("POST", "/proxy")


def test_who_has_no_key_for_a_remote_server_is_told_where_it_goes(remote: Client) -> None:
    with pytest.raises(ServerRefused) as refused:
        remote.call("POST", "/who")
    assert "TOCSIN_KEY" not in str(refused.value.detail)
    keyless = Client(data=remote.data, url=remote.url)
    with pytest.raises(ServerRefused) as refused:
        keyless.call("POST", "/who")
    assert str(refused.value.detail).endswith("set TOCSIN_KEY to one of its keys.")


def test_without_a_local_server_the_message_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(CannotReach, match=f"tocsin up --data {tmp_path}"):
        Client(data=tmp_path).call("GET", "/healthz")


def test_without_a_remote_server_the_message_names_the_variable(tmp_path: Path) -> None:
    client = Client(data=tmp_path, url="http://127.0.0.1:1")
    with pytest.raises(CannotReach, match=r"No answer from http://127\.0\.0\.1:1.*\nCheck TOCSIN"):
        client.call("GET", "/healthz")


@pytest.mark.parametrize("url", ["tocsin.example", "ftp://tocsin.example", "http://"])
def test_a_url_that_is_none_is_wrong_use(tmp_path: Path, url: str) -> None:
    with pytest.raises(click.UsageError, match="TOCSIN_URL"):
        Client(data=tmp_path, url=url).call("GET", "/")


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        ([], {}, "data None None"),
        ([], {"TOCSIN_DATA": "d"}, "d None None"),
        ([], {"TOCSIN_KEY": CANARY}, "data None None"),
        ([], {"TOCSIN_URL": "http://h", "TOCSIN_KEY": CANARY}, "data http://h Secret(***)"),
        (["--data", "e"], {"TOCSIN_URL": "http://h", "TOCSIN_KEY": CANARY}, "e None None"),
    ],
)
def test_the_flag_beats_the_environment(
    clean_environment: None, arguments: list[str], variables: dict[str, str], expected: str
) -> None:
    @click.command()
    @client_option
    def show(client: Client) -> None:
        click.echo(f"{client.data} {client.url} {client.key}")

    ran = CliRunner().invoke(show, arguments, env=variables)
    assert ran.output == expected + "\n"
