"""
The opening handshake (RFC 6455 section 4.2): the request's head in, an answer out.

Pure code: what a request asks for, whether this server may answer it at all, and the bytes of
the answers. Whose token it is decides the handler.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64encode
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

import msgspec

from tocsin.errors import Forbidden, Malformed, NotFound, RequestRefused, TocsinError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SUBPROTOCOLS: Final = frozenset({"tocsin.v1", "tocsin.v1.batch"})
_BEARER: Final = "bearer."
_VERSION: Final = "13"
_KEY_BYTES: Final = 16
_ACCEPT_SALT: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""The GUID of RFC 6455 section 1.3."""


class OriginRefused(Forbidden):
    """A page of an origin that is not in the list asked for a socket."""

    code = "origin_not_allowed"
    title = "Pages of this origin may not open a socket"


class UpgradeRequired(RequestRefused):
    """Not a WebSocket handshake of the one version there is."""

    code = "upgrade_required"
    status = 426
    title = "This address speaks WebSocket version 13 only"


@dataclass(frozen=True, slots=True)
class SocketRequest:
    """What a client asked for, once the handshake itself is known to be right."""

    accept: str
    """The value of ``Sec-WebSocket-Accept`` that answers the client's key."""

    subprotocol: str | None
    """The one to speak; None when the client named none."""

    bearer: str | None = field(repr=False)
    """The token; None when it is to come as the first message."""

    origin: str | None
    """None for clients that are not browsers."""


def read_request(head: bytes, *, path: str, origins: frozenset[str]) -> SocketRequest:
    """
    Read the head of an upgrade request.

    ``origins`` holds the origins whose pages may connect beside our own, ``*`` meaning all of
    them. A request without an origin does not come from a page, and carries no ambient credential
    either: the token is never a cookie. Raises the TocsinError to refuse with.
    """
    target, headers = _parse(head)
    found, _, query = target.partition("?")
    if found != path:
        raise NotFound("No socket here")
    if b"token" in unquote_to_bytes(query).lower():
        raise Malformed(
            "Send the token as a subprotocol or as the first message; addresses end up in logs",
            code="token_in_address",
        )
    _check_upgrade(headers)
    origin = headers.get("origin")
    if not _is_ours(origin, headers["host"]) and origin not in origins and "*" not in origins:
        raise OriginRefused("Add the origin to the allowed ones")
    subprotocol, bearer = _negotiate(_tokens(headers.get("sec-websocket-protocol", "")))
    return SocketRequest(
        accept=_accept_for(headers.get("sec-websocket-key", "")),
        subprotocol=subprotocol,
        bearer=bearer,
        origin=origin,
    )


def accept_response(request: SocketRequest) -> bytes:
    """Return the 101 that opens the socket; it never repeats the bearer."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "upgrade: websocket",
        "connection: Upgrade",
        f"sec-websocket-accept: {request.accept}",
    ]
    if request.subprotocol is not None:
        lines.append(f"sec-websocket-protocol: {request.subprotocol}")
    return _head(lines)


def problem_response(error: TocsinError) -> bytes:
    """Return the answer that refuses the upgrade, an RFC 9457 problem, and ends the connection."""
    body = msgspec.json.encode(
        {
            "type": "about:blank",
            "title": error.title,
            "status": error.status,
            "code": error.code,
            "detail": error.detail,
        }
    )
    lines = [
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        "connection: close",
    ]
    if error.status == HTTPStatus.UPGRADE_REQUIRED:
        lines += ["upgrade: websocket", f"sec-websocket-version: {_VERSION}"]
    if (wait := getattr(error, "retry_after_s", None)) is not None:
        lines.append(f"retry-after: {max(1, round(wait))}")
    return _head(lines) + body


def _head(lines: Sequence[str]) -> bytes:
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _parse(head: bytes) -> tuple[str, Mapping[str, str]]:
    """Return the target and the headers, repeated ones joined as RFC 9110 section 5.3 says."""
    request_line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, _, rest = request_line.partition(" ")
    target, _, version = rest.partition(" ")
    if method != "GET" or version != "HTTP/1.1":
        raise Malformed("A socket is opened with GET and HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Malformed("A header has no colon")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return target, headers


def _tokens(value: str) -> list[str]:
    return [token for part in value.split(",") if (token := part.strip(" \t"))]


def _check_upgrade(headers: Mapping[str, str]) -> None:
    if "host" not in headers:
        raise Malformed("The Host header is missing")
    if "websocket" not in _tokens(headers.get("upgrade", "").lower()):
        raise UpgradeRequired("Ask for the upgrade to websocket")
    if "upgrade" not in _tokens(headers.get("connection", "").lower()):
        raise UpgradeRequired("Name the upgrade in the Connection header")
    if headers.get("sec-websocket-version") != _VERSION:
        raise UpgradeRequired("Ask for version 13 of the protocol")


def _is_ours(origin: str | None, host: str) -> bool:
    """
    Return whether a request comes from no page, or from one of this server's own.

    The scheme is left aside: whoever ends TLS before this server speaks plain HTTP with it.
    """
    if origin is None:
        return True
    where = origin.partition("://")[2]
    return bool(where) and where.lower() == host.lower()


def _accept_for(key: str) -> str:
    try:
        nonce = binascii.a2b_base64(key, strict_mode=True)
    except (binascii.Error, ValueError):
        nonce = b""
    if len(nonce) != _KEY_BYTES:
        raise Malformed("Sec-WebSocket-Key is not 16 bytes in base64")
    # RFC 6455 prescribes SHA-1; nothing secret depends on it.
    digest = hashlib.sha1(key.encode("ascii") + _ACCEPT_SALT, usedforsecurity=False).digest()
    return b64encode(digest).decode("ascii")


def _negotiate(offered: Sequence[str]) -> tuple[str | None, str | None]:
    """
    Return the client's favourite of our subprotocols, and the bearer that came among them.

    A client that offers names and is answered with none must give up (WHATWG), so it is told why.
    """
    bearers = [name.removeprefix(_BEARER) for name in offered if name.startswith(_BEARER)]
    if len(bearers) > 1 or "" in bearers:
        raise Malformed("Offer one token, as bearer.<token>", code="malformed_bearer")
    chosen = next((name for name in offered if name in SUBPROTOCOLS), None)
    if offered and chosen is None:
        raise Malformed("Offer the subprotocol tocsin.v1", code="unknown_subprotocol")
    return chosen, bearers[0] if bearers else None
