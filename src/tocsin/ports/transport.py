"""
Calls to the outside over HTTP: one client that every provider shares.

Every implementation passes ``tests/contract/test_transport.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Literal, Protocol

import msgspec


class NoAnswerReason(StrEnum):
    """Why there is no answer, in a closed list."""

    FORBIDDEN = "forbidden"
    """The address that the name leads to, or its port, may not be called."""
    BAD_URL = "bad_url"
    UNRESOLVED = "unresolved"
    UNREACHABLE = "unreachable"
    """No connection came about in time."""
    TLS = "tls"
    """The other side did not prove who it is, or speaks no TLS that is safe."""
    TIMED_OUT = "timed_out"
    BROKEN = "broken"
    """The connection ended, or what came was no HTTP."""


class Answer(msgspec.Struct, frozen=True):
    """
    What came back. ``head`` holds the lines of the last head as they came, the first one included.

    ``body`` is what came up to the limit; what a caller reads of it it must take as hostile.
    """

    status: int
    head: Sequence[bytes] = ()
    body: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        """Return the first field of that name, in lower case."""
        start = name + b":"
        end = len(start)
        for line in self.head:
            if line[:end].lower() == start:
                return line[end:].strip()
        return None

    def __repr__(self) -> str:
        return f"Answer({self.status}, {len(self.body)} bytes)"


class NoAnswer(msgspec.Struct, frozen=True):
    """
    Nothing, or nothing whole, came back.

    ``sent`` False promises that the other side has not looked at the request: not one byte of its
    body left this machine, or it has said so itself (RFC 9113, 8.7).
    """

    reason: NoAnswerReason
    sent: bool


Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


class Trust(msgspec.Struct, frozen=True, cache_hash=True):
    """
    How the two ends of a connection prove who they are. Connections are shared by equal trust.

    ``ca_file`` holds the certificates that are trusted instead of the client's own;
    ``certificate_file`` what this end shows, PEM, its key with it or in ``key_file``.
    """

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None


ORDINARY: Final = Trust()


class Call(msgspec.Struct, frozen=True):
    """
    One request. ``headers`` are whole lines, ``name: value``, without an end of line.

    A line that is not all printable ASCII is a mistake of the caller's and raises ``ValueError``,
    and so does a body of a request that is none of POST, PUT and PATCH. ``timeout_ms`` is None for
    the client's own; ``trust`` is who must be, and who is, at the ends of the connection.
    ``strange`` says that somebody outside named the host, so that it may be any and may mean ill:
    a client that is made for few hosts leaves such a call to one that is made for all.
    """

    url: str
    body: bytes
    headers: Sequence[str] = ()
    timeout_ms: int | None = None
    method: Method = "POST"
    trust: Trust = ORDINARY
    strange: bool = False

    def __repr__(self) -> str:
        return f"Call({self.method}, {len(self.body)} bytes)"


class Transport(Protocol):
    """
    Makes calls, many at once, over few connections.

    *Once*: a call is made at most once; no redirect is followed, nothing is retried, also not where
    a connection that was kept open turns out to be closed. It is made anew, once, only where the
    other side has said that it did not look at it, as one does that ends a connection of HTTP/2
    (RFC 9113, 8.7). *Guarded*: whatever a name resolves to,
    no connection is made to an address that is not public or allowed, and no environment variable
    has a say in where a call goes. *Bounded*: time to connect, time in all, bytes of an answer and
    connections per host. *Cancelled*: the connection is closed; whether it was sent is unknown.
    *Raises*: nothing that the network may do.
    """

    async def call(self, call: Call) -> Answer | NoAnswer:
        """Make one call."""

    async def close(self) -> None:
        """Close every connection; calls under way end as cancelled."""
