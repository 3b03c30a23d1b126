"""Whatever is sent: no answer of 5xx, nothing beyond the description, and no secret in the log."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.server import HANG_S, Server

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "missing_required_header",
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "d") as server:
        server.start()
        yield server


# The coverage phase tries each field's edges once, the fuzzing phase what comes to mind.
@pytest.mark.parametrize(
    ("role", "phases", "seconds"),
    [("admin", "coverage,fuzzing", 60), ("producer", "fuzzing", 10), ("recipient", "fuzzing", 15)],
)
def test_no_request_breaks_it_or_leaves_its_description(
    server: Server, role: str, phases: str, seconds: int
) -> None:
    with server.caller() as call:
        if role == "recipient":
            secret = call("POST", "/v1/tokens", {"recipient": "ana"}).body["token"]
        else:
            secret = call("POST", "/v1/keys", {"name": f"a-{role}", "roles": [role]}).body["key"]
    address = f"http://127.0.0.1:{server.port}"
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json"),
            *("-H", f"Authorization: Bearer {secret}"),
            *("--phases", phases, "--max-time", str(seconds), "--max-examples", "6"),
            *("--checks", ",".join(CHECKS), "--suppress-health-check", "all"),
            *("--warnings", "off", "--seed", "1", "--no-color"),
            *("--request-timeout", str(HANG_S)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )
    assert ended.returncode == 0, ended.stdout[-6_000:]
    assert " generated" in ended.stdout
    assert server.alive
    assert server.end(signal.SIGTERM) == 0
    said = server.log.read_text()
    assert secret not in said
    assert "request failed" not in said
    assert "role_failed" not in said


def test_no_route_answers_to_a_credential_that_is_none(server: Server) -> None:
    with server.caller() as call:
        paths = call("GET", "/openapi.json").body["paths"]
    refused = 0
    for path, methods in paths.items():
        for method, described in methods.items():
            if not described.get("security"):
                continue
            for secret in ("", "tcs_wrong_wrong", "tok_1_wrong"):
                with server.caller(secret) as call:
                    shown = path.replace("{", "").replace("}", "")
                    answer = call(method.upper(), shown, {})
                assert answer.status in {401, 429}, (method, path, answer)
                refused += 1
    assert refused > 100


PERSON = {
    "name": "Canaria Canary",
    "email": "canary@example.org",
    "phone": "+34612345678",
    "attributes": {"plan": "canary-attribute"},
}
CANARIES = ("anar", "612345678", "4111111111111111")


def test_nothing_personal_and_no_secret_reaches_logs_metrics_errors_or_files(
    server: Server,
) -> None:
    answers = []
    with server.caller() as call:
        key = call("POST", "/v1/keys", {"name": "k", "roles": ["backend"]}).body["key"]
        assert call("PUT", "/v1/recipients/ana", PERSON).status < 300
        device = {"channel": "push", "address": "canary-device-token", "secret": "canary-secret"}
        call("POST", "/v1/recipients/ana/addresses", device)
        call("POST", "/v1/suppressions", {"channel": "email", "address": "canary@example.org"})
        token = call("POST", "/v1/tokens", {"recipient": "ana"}).body["token"]
        wrongs = ({"email": "canary"}, {"name": ["canary"]}, {"phone": "canary612345678"})
        answers += [call("PUT", "/v1/recipients/bob", wrong) for wrong in wrongs]
        event = {"type": "a.b", "recipients": ["ana"], "data": {"card": "4111111111111111"}}
        answers.append(call("POST", "/v1/events", event))
        answers.append(call("POST", "/v1/events", [{**event, "type": 7}, {"canary": 1}]))
        answers.append(call("GET", "/v1/recipients/nobody?canary=canary"))
        answers.append(call("GET", "/metrics"))
    with server.caller(token + "x") as wrong_token:
        answers.append(wrong_token("GET", "/v1/inbox"))
    sandbox = server.key()
    shown = str(answers).replace("'canary'", "").replace("/canary", "")
    server.end(signal.SIGKILL)
    server.start()
    server.end(signal.SIGTERM)
    said = server.log.read_text()
    for canary in (*CANARIES, key, key[4:], token, sandbox, sandbox[4:]):
        assert canary not in said, f"{canary} is in the log"
        assert canary not in shown, f"{canary} is in an answer"
    sealed = (b"canary@example.org", b"+34612345678", b"canary-device-token", b"canary-secret")
    secrets = (*sealed, key.encode(), token.encode())
    for file in server.data.rglob("*"):
        if file.is_file() and not file.name.startswith("sandbox"):
            body = file.read_bytes()
            for secret in secrets:
                assert secret not in body, f"{secret!r} lies in the clear in {file.name}"


HOSTILE = {
    "nothing": b"",
    "zeros": b"\x00" * 4_096,
    "long": b"GET " + b"/" * 100_000,
    "negative": b"POST /v1/events HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "smuggled": (
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n"
    ),
    "socket": (
        b"GET /v1/inbox/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n\xff"
    ),
}


def test_bytes_that_are_no_request_harm_nobody(server: Server) -> None:
    for hostile in HOSTILE.values():
        client = socket.create_connection(("127.0.0.1", server.port), timeout=HANG_S)
        with client, suppress(ConnectionError):
            client.sendall(hostile)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65_536):
                pass
    with server.caller() as call:
        assert call("POST", "/v1/events", {"type": "a.b"}).status == 202
    assert "Traceback" not in server.log.read_text()
