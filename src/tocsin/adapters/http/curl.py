"""
The client over libcurl: HTTP/2 where the other side has it, connections kept, addresses checked.

Handles are kept with all options that never change, since setting one costs more than a call's
share of the network. What differs is set for each call: address, headers, body.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

import pycurl

from tocsin.adapters.http.driver import CurlDriver, OpenWatch
from tocsin.adapters.http.sharing import Sharing
from tocsin.adapters.http.watching import open_watch
from tocsin.config import Outbound
from tocsin.domain.hosts import Reach
from tocsin.ports.transport import (
    ORDINARY,
    WITH_BODY,
    Answer,
    Call,
    Method,
    NoAnswer,
    NoAnswerReason,
    Trust,
)

_BEFORE: Final = {
    pycurl.E_URL_MALFORMAT: NoAnswerReason.BAD_URL,
    pycurl.E_UNSUPPORTED_PROTOCOL: NoAnswerReason.BAD_URL,
    pycurl.E_COULDNT_RESOLVE_HOST: NoAnswerReason.UNRESOLVED,
    pycurl.E_COULDNT_RESOLVE_PROXY: NoAnswerReason.UNRESOLVED,
    pycurl.E_SSL_CONNECT_ERROR: NoAnswerReason.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: NoAnswerReason.TLS,
    pycurl.E_SSL_CACERT_BADFILE: NoAnswerReason.TLS,
    pycurl.E_SSL_CERTPROBLEM: NoAnswerReason.TLS,
    pycurl.E_SSL_CIPHER: NoAnswerReason.TLS,
}
"""Why nothing was sent; whatever is not named here is that no connection came about."""
_NO_WAY_BACK: Final = "necessary data rewind was not possible"

_ASKED_FROM_BYTES: Final = 1_000
"""From about here on versions of libcurl ask first whether a body is wanted (RFC 9110, 10.1.1)."""


class _Slot:
    """One handle, with what its callbacks gather."""

    def __init__(self, outbound: Outbound, reach: Reach, trust: Trust) -> None:
        self.curl = pycurl.Curl()
        self.lines: list[bytes] = []
        self.parts: list[bytes] = []
        self.forbidden = False
        self.refused = False
        self.timeout_ms = outbound.timeout_ms
        self._url = ""
        self._head: list[str] = []
        self._body = b""
        self._body_bytes = -1
        self._read = 0
        self._reach = reach
        # The proxy is the operator's own, and stands where calls to the inside are refused.
        self._guarded = outbound.proxy is None
        _set_up(self.curl, outbound)
        _set_trust(self.curl, trust)
        self._method: Method = "POST"
        self._sharing = True
        self.curl.setopt(pycurl.HEADERFUNCTION, self.lines.append)
        self.curl.setopt(pycurl.WRITEFUNCTION, self.parts.append)
        self.curl.setopt(pycurl.READFUNCTION, self._more)
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)

    def take(self, call: Call, timeout_ms: int, *, sharing: bool) -> None:
        curl = self.curl
        self.lines.clear()
        self.parts.clear()
        self.forbidden = False
        self.refused = False
        self._body, self._read = call.body, 0
        if call.url != self._url:
            curl.setopt(pycurl.URL, call.url)
            self._url = call.url
        body_bytes = len(call.body)
        lines = _lines_of(call)
        if lines != self._head:
            curl.setopt(pycurl.HTTPHEADER, lines)
            self._head = lines
        if call.method != self._method:
            _set_method(curl, call.method)
            self._method = call.method
            self._body_bytes = -1
        if body_bytes != self._body_bytes and call.method in WITH_BODY:
            curl.setopt(pycurl.POSTFIELDSIZE, body_bytes)
            self._body_bytes = body_bytes
        if timeout_ms != self.timeout_ms:
            curl.setopt(pycurl.TIMEOUT_MS, timeout_ms)
            self.timeout_ms = timeout_ms
        if sharing is not self._sharing:
            curl.setopt(pycurl.PIPEWAIT, int(sharing))
            self._sharing = sharing

    def answer(self) -> Answer | NoAnswer:
        """Return what came; half a head is no answer."""
        return self._answer() or NoAnswer(NoAnswerReason.BROKEN, sent=True)

    def _answer(self) -> Answer | None:
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        lines = self.lines
        if not isinstance(status, int) or status < 200 or not lines or lines[-1].strip():
            return None
        while (end := lines.index(lines[-1]) + 1) < len(lines):
            # The head of an answer before the answer, such as 103 Early Hints.
            del lines[:end]
        return Answer(status, tuple(lines), b"".join(self.parts))

    def failure(self, code: int) -> Answer | NoAnswer:
        if code == pycurl.E_FILESIZE_EXCEEDED and (answer := self._answer()) is not None:
            # Longer than anybody reads; what it says is in its status.
            return answer
        if self.refused:
            return NoAnswer(NoAnswerReason.BROKEN, sent=False)
        timed_out = code == pycurl.E_OPERATION_TIMEDOUT
        if self._was_sent():
            why = NoAnswerReason.TIMED_OUT if timed_out else NoAnswerReason.BROKEN
            return NoAnswer(why, sent=True)
        if self.forbidden and code == pycurl.E_COULDNT_CONNECT:
            return NoAnswer(NoAnswerReason.FORBIDDEN, sent=False)
        return NoAnswer(_BEFORE.get(code, NoAnswerReason.UNREACHABLE), sent=False)

    def has_no_way_back(self) -> bool:
        """
        Return whether libcurl would have begun anew, for no fault that it saw.

        It would for a stream that was not looked at, and for a connection of HTTP/1 that was kept
        and has ended. Of a connection of HTTP/2 that breaks it names the fault instead.
        """
        return self.curl.errstr() == _NO_WAY_BACK

    def left_ms(self) -> int:
        """Return how much of its time the call has left."""
        return self.timeout_ms - int(self.curl.getinfo(pycurl.TOTAL_TIME) * 1_000)

    def _was_sent(self) -> bool:
        # Without a body there is nothing that libcurl would ask for.
        return self._read > 0 or (not self._body and self.curl.getinfo(pycurl.REQUEST_SIZE) != 0)

    def _more(self, count: int) -> bytes:
        # Given piece by piece, and without a way back, so that libcurl cannot begin anew by itself
        # when a connection that was kept open ends: whether the call was taken is not its to guess.
        start = self._read
        self._read = start + count
        return self._body[start : self._read]

    def _open(self, purpose: int, address: tuple[Any, ...]) -> socket.socket | int:
        del purpose
        family, kind, protocol, where = address
        if self._guarded and not (
            family in (socket.AF_INET, socket.AF_INET6) and self._reach.permits(where[0], where[1])
        ):
            self.forbidden = True
            return pycurl.SOCKET_BAD
        made = socket.socket(family, kind, protocol)
        # libcurl takes a duplicate of it as soon as this returns.
        asyncio.get_running_loop().call_soon(made.close)
        return made


class CurlTransport:
    """Fills `tocsin.ports.transport.Transport`."""

    def __init__(
        self, outbound: Outbound, reach: Reach, open_watch: OpenWatch = open_watch
    ) -> None:
        self._outbound = outbound
        self._timeout_ms = outbound.timeout_ms
        self._reach = reach
        self._ordinary: list[_Slot] = []
        self._free: dict[Trust, list[_Slot]] = {ORDINARY: self._ordinary}
        self._sharing = Sharing()
        self._multi = CurlDriver(open_watch)
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, outbound.connections_per_host_max)
        self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, outbound.connections_max)
        self._multi.setopt(pycurl.M_MAXCONNECTS, outbound.connections_max)
        self._multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, outbound.streams_max)
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)

    async def call(self, call: Call) -> Answer | NoAnswer:
        """Make one call with a handle that is free."""
        _check(call)
        if not call.url.isascii():
            return NoAnswer(NoAnswerReason.BAD_URL, sent=False)
        free = self._ordinary if call.trust is ORDINARY else self._free.setdefault(call.trust, [])
        slot = free.pop() if free else _Slot(self._outbound, self._reach, call.trust)
        sharing = self._sharing.is_hoped_for(call.url)
        try:
            slot.take(call, call.timeout_ms or self._timeout_ms, sharing=sharing)
            code = await self._multi.begin(slot.curl)
            if code == pycurl.E_SEND_FAIL_REWIND:
                code = await self._made_anew(slot, call)
        except pycurl.error as error:
            outcome = slot.failure(int(error.args[0]))
        except BaseException:
            self._multi.give_up(slot.curl)
            slot.curl.close()
            raise
        else:
            outcome = slot.answer() if code == 0 else slot.failure(code)
            if sharing and isinstance(outcome, Answer):
                self._sharing.learn(call.url, outcome.head[0])
        free.append(slot)
        return outcome

    async def _made_anew(self, slot: _Slot, call: Call) -> int:
        """
        Make a call once more that the other side has not looked at (RFC 9113, 8.7).

        For it has refused its stream, or was ending the connection when it came.
        """
        slot.refused = self._was_refused(slot, call)
        left_ms = slot.left_ms()
        if not slot.refused or left_ms <= 0:
            return pycurl.E_SEND_FAIL_REWIND
        slot.take(call, left_ms, sharing=True)
        code = await self._multi.begin(slot.curl)
        slot.refused = code == pycurl.E_SEND_FAIL_REWIND and self._was_refused(slot, call)
        return code

    def _was_refused(self, slot: _Slot, call: Call) -> bool:
        return self._sharing.is_kept_by_http_2(call.url) and slot.has_no_way_back()

    def leave_room(self, connections: int) -> None:
        """Have so many connections less than the settings say: another client has them."""
        most = max(1, self._outbound.connections_max - connections)
        self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, most)

    async def close(self) -> None:
        """Close every connection and handle."""
        await self._multi.close()
        # Calls under way wake up as cancelled, and close their own.
        await asyncio.sleep(0)
        for free in self._free.values():
            while free:
                free.pop().curl.close()


def _check(call: Call) -> None:
    # All at once, byte by byte: a line at a time takes three times as long.
    shown = "".join(call.headers).encode("utf-8", "surrogatepass")
    if shown.translate(_PRINTABLE) != shown:
        raise ValueError("a header holds what is no printable ASCII")
    if call.body and call.method not in WITH_BODY:
        raise ValueError(f"a {call.method} has no body")


_PRINTABLE: Final = bytes(byte if 0x20 <= byte < 0x7F else 0x20 for byte in range(256))
"""Leaves printable ASCII alone and nothing else."""


def _lines_of(call: Call) -> list[str]:
    """Return its headers, and what keeps libcurl from adding others."""
    lines = list(call.headers)
    if call.method in WITH_BODY and not any(map(_is_content_type, lines)):
        # Without it any body would be called a form.
        lines.append("Content-Type:")
    if len(call.body) >= _ASKED_FROM_BYTES or not lines:
        # Never without any: setting none would leave those of the call before.
        lines.append("Expect:")
    return lines


def _is_content_type(line: str) -> bool:
    return line[:13].lower() == "content-type:"


def _set_up(curl: pycurl.Curl, outbound: Outbound) -> None:
    for option, value in (
        (pycurl.POST, 1),
        (pycurl.NOSIGNAL, 1),
        (pycurl.FOLLOWLOCATION, 0),
        (pycurl.PATH_AS_IS, 1),
        (pycurl.USERAGENT, "Tocsin"),
        (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
        (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS),
        (pycurl.PIPEWAIT, 1),
        (pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2),
        (pycurl.CONNECTTIMEOUT_MS, outbound.connect_timeout_ms),
        (pycurl.TIMEOUT_MS, outbound.timeout_ms),
        (pycurl.MAXFILESIZE_LARGE, outbound.answer_bytes_max),
        # An empty text also keeps libcurl from looking for a proxy in the environment.
        (pycurl.PROXY, outbound.proxy or ""),
    ):
        curl.setopt(option, value)
    if outbound.ca_file is not None:
        curl.setopt(pycurl.CAINFO, outbound.ca_file)


def _set_trust(curl: pycurl.Curl, trust: Trust) -> None:
    for option, value in (
        (pycurl.CAINFO, trust.ca_file),
        (pycurl.SSLCERT, trust.certificate_file),
        (pycurl.SSLKEY, trust.key_file),
    ):
        if value is not None:
            curl.setopt(option, value)


def _set_method(curl: pycurl.Curl, method: Method) -> None:
    if method in WITH_BODY:
        curl.setopt(pycurl.POST, 1)
    else:
        curl.setopt(pycurl.HTTPGET, 1)
    if method in ("GET", "POST"):
        curl.unsetopt(pycurl.CUSTOMREQUEST)
    else:
        curl.setopt(pycurl.CUSTOMREQUEST, method)
