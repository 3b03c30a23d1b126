"""The opening handshake: what is refused, what is chosen, and what is never repeated."""

from __future__ import annotations

import msgspec
import pytest

from tocsin.errors import TocsinError, Unavailable
from tocsin.gateway.handshake import (
    OriginRefused,
    SocketRequest,
    UpgradeRequired,
    accept_response,
    problem_response,
    read_request,
)

PATH = "/v1/inbox/socket"
HEADERS = {
    "host": "localhost",
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def head(target: str = PATH, *, method: str = "GET", **headers: str | None) -> bytes:
    """Write a request head; an argument replaces a header, and None leaves it out."""
    given = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in given.items() if value is not None]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode()


def ask(data: bytes, *, origins: frozenset[str] = frozenset()) -> SocketRequest:
    return read_request(data, path=PATH, origins=origins)


def test_the_key_of_the_rfc_gives_its_answer() -> None:
    assert ask(head()).accept == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_what_browsers_send_is_read() -> None:
    request = ask(
        head(
            connection="keep-alive, Upgrade",
            upgrade="WebSocket",
            origin="https://shop.example",
            sec_websocket_protocol="tocsin.v1, bearer.abc.def",
            sec_websocket_extensions="permessage-deflate; client_max_window_bits",
        ),
        origins=frozenset({"https://shop.example"}),
    )
    assert request.subprotocol == "tocsin.v1"
    assert request.bearer == "abc.def"
    assert request.origin == "https://shop.example"


@pytest.mark.parametrize(
    ("offered", "chosen", "bearer"),
    [
        (None, None, None),
        ("tocsin.v1", "tocsin.v1", None),
        ("tocsin.v1.batch,bearer.t", "tocsin.v1.batch", "t"),
        ("bearer.t, tocsin.v1", "tocsin.v1", "t"),
        ("tocsin.v1.batch, tocsin.v1", "tocsin.v1.batch", None),
        ("tocsin.v2, tocsin.v1, tocsin.v1.batch", "tocsin.v1", None),
    ],
)
def test_the_first_known_subprotocol_is_chosen(
    offered: str | None, chosen: str | None, bearer: str | None
) -> None:
    request = ask(head(sec_websocket_protocol=offered))
    assert (request.subprotocol, request.bearer) == (chosen, bearer)


def test_subprotocols_may_come_in_several_headers() -> None:
    data = head(sec_websocket_protocol="tocsin.v1").replace(
        b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: bearer.t\r\n\r\n"
    )
    assert ask(data).bearer == "t"


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        pytest.param(head("/v1/other"), 404, "not_found", id="another path"),
        pytest.param(head(PATH + "/"), 404, "not_found", id="a slash more"),
        pytest.param(head(PATH, method="POST"), 400, "malformed", id="another method"),
        pytest.param(head(PATH + "?token=t"), 400, "token_in_address", id="token in the address"),
        pytest.param(
            head(PATH + "?a=1&access_Token=t"), 400, "token_in_address", id="by another name"
        ),
        pytest.param(head(PATH + "?%74oken=t"), 400, "token_in_address", id="encoded"),
        pytest.param(head(host=None), 400, "malformed", id="no host"),
        pytest.param(head(upgrade="h2c"), 426, "upgrade_required", id="another upgrade"),
        pytest.param(head(upgrade=None), 426, "upgrade_required", id="no upgrade"),
        pytest.param(head(connection="keep-alive"), 426, "upgrade_required", id="no connection"),
        pytest.param(head(sec_websocket_version="8"), 426, "upgrade_required", id="old version"),
        pytest.param(head(sec_websocket_version=None), 426, "upgrade_required", id="no version"),
        pytest.param(head(sec_websocket_key=None), 400, "malformed", id="no key"),
        pytest.param(head(sec_websocket_key="YWJj"), 400, "malformed", id="short key"),
        pytest.param(head(sec_websocket_key="%%%"), 400, "malformed", id="key not base64"),
        pytest.param(
            head(sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==\u00fc"),
            400,
            "malformed",
            id="not ASCII",
        ),
        pytest.param(
            head().replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
            400,
            "malformed",
            id="two keys",
        ),
        pytest.param(
            head(sec_websocket_protocol="graphql-ws"), 400, "unknown_subprotocol", id="not ours"
        ),
        pytest.param(
            head(sec_websocket_protocol="bearer.t"), 400, "unknown_subprotocol", id="only a token"
        ),
        pytest.param(
            head(sec_websocket_protocol="tocsin.v1, bearer.a, bearer.b"),
            400,
            "malformed_bearer",
            id="two tokens",
        ),
        pytest.param(
            head(sec_websocket_protocol="tocsin.v1, bearer."),
            400,
            "malformed_bearer",
            id="no token",
        ),
        pytest.param(b"nonsense\r\n\r\n", 400, "malformed", id="not a request"),
        pytest.param(b"", 400, "malformed", id="nothing"),
        pytest.param(
            b"GET " + PATH.encode() + b" HTTP/1.1\r\nhost\r\n\r\n", 400, "malformed", id="no colon"
        ),
    ],
)
def test_what_is_wrong_is_refused(data: bytes, status: int, code: str) -> None:
    with pytest.raises(TocsinError) as raised:
        ask(data)
    assert (raised.value.status, raised.value.code) == (status, code)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example.evil.example",
        "https://evil-shop.example",
        "https://sub.shop.example",
        "https://shop.example, https://shop.example",
        "",
    ],
)
def test_a_page_of_another_origin_is_refused(origin: str) -> None:
    with pytest.raises(TocsinError) as raised:
        ask(head(origin=origin), origins=frozenset({"https://shop.example"}))
    assert (raised.value.status, raised.value.code) == (403, "origin_not_allowed")


def test_without_a_list_no_page_may_connect_and_other_clients_may() -> None:
    assert ask(head()).origin is None
    with pytest.raises(TocsinError):
        ask(head(origin="https://shop.example"))


@pytest.mark.parametrize("origin", ["http://localhost", "https://LOCALHOST"])
def test_a_page_of_our_own_may_connect(origin: str) -> None:
    assert ask(head(origin=origin)).origin == origin


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8601", "localhost:8600"),
        ("localhost", "localhost"),
        ("://", ""),
        ("http://localhost.evil.example", "localhost"),
        ("http://evil.example://localhost", "localhost"),
    ],
)
def test_a_page_beside_us_may_not(origin: str, host: str) -> None:
    with pytest.raises(OriginRefused):
        ask(head(origin=origin, host=host))


def test_a_star_admits_every_origin() -> None:
    assert ask(head(origin="null"), origins=frozenset({"*"})).origin == "null"


def test_the_token_is_neither_repeated_nor_shown() -> None:
    request = ask(head(sec_websocket_protocol="tocsin.v1, bearer.canary"))
    assert b"canary" not in accept_response(request)
    assert "canary" not in repr(request)


def test_the_answer_names_a_subprotocol_only_when_one_was_offered() -> None:
    assert b"sec-websocket-protocol" not in accept_response(ask(head()))
    answer = accept_response(ask(head(sec_websocket_protocol="tocsin.v1.batch, bearer.t")))
    assert b"\r\nsec-websocket-protocol: tocsin.v1.batch\r\n" in answer
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert answer.endswith(b"\r\n\r\n")


def test_a_refusal_is_a_problem_document() -> None:
    error = Unavailable("Come later")
    error.retry_after_s = 7
    answer, _, body = problem_response(error).partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"content-type: application/problem+json" in answer
    assert b"retry-after: 7" in answer
    assert b"content-length: %d" % len(body) in answer
    assert msgspec.json.decode(body) == {
        "type": "about:blank",
        "title": error.title,
        "status": 503,
        "code": "unavailable",
        "detail": "Come later",
    }


def test_a_wrong_version_is_told_the_right_one() -> None:
    answer = problem_response(UpgradeRequired("Ask for version 13"))
    assert b"HTTP/1.1 426 Upgrade Required" in answer
    assert b"sec-websocket-version: 13" in answer
