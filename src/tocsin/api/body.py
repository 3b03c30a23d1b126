"""Reading what a request brings: its body within a limit, its type, its query."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive

from tocsin.api.endpoint import ANY_TYPE
from tocsin.api.problems import UnsupportedMediaType
from tocsin.app.misreadings import field_problem, refusal_of
from tocsin.domain.reading import bad_characters
from tocsin.errors import FieldProblem, Malformed, RequestRefused, TooLarge, Unavailable

_QUERY_CHARACTERS_MAX = 8_192
_QUERY_FIELDS_MAX = 50


class Disconnected(Exception):
    """The client went away before its request was whole; nobody is there to be answered."""


class Unread(TooLarge):
    """A body that is too large, and of which there is more to come."""


def media_type(headers: Mapping[str, str]) -> str:
    """Return the type of the body, without parameters, in lower case."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def check_media_type(headers: Headers, allowed: tuple[str, ...]) -> str:
    """Return the type of the body if it is one of *allowed*, and the encoding none."""
    found = media_type(headers)
    if allowed == (ANY_TYPE,):
        return found
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("send the body without Content-Encoding")
    charset = headers.get("content-type", "").lower().partition("charset=")[2].strip(' "')
    if found not in allowed or charset not in ("", "utf-8", "utf8"):
        raise UnsupportedMediaType(f"send one of {', '.join(allowed)} in UTF-8")
    return found


async def chunks_of(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the body as it arrives; raises `Disconnected`."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        more = message.get("more_body", False)
        if body := message.get("body", b""):
            yield body


async def read_body(headers: Headers, receive: Receive, bytes_max: int) -> bytes:
    """Return the whole body; `Unread` as soon as it is known to be too large."""
    declared = headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > bytes_max:
        raise Unread(f"a request may have {bytes_max} bytes")
    parts = []
    size = 0
    async for part in chunks_of(receive):
        size += len(part)
        if size > bytes_max:
            raise Unread(f"a request may have {bytes_max} bytes")
        parts.append(part)
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Linger:
    """
    Reads what is left of a body and throws it away.

    A connection that is closed with bytes unread is reset, and the answer that was sent over it
    may be lost on the way: who sends too much would not learn why.
    """

    bytes_max: int
    ms: int

    async def __call__(self, receive: Receive) -> None:
        """Return when the body has ended, the client has gone, or a limit is reached."""
        left = self.bytes_max
        with contextlib.suppress(TimeoutError, Disconnected):
            async with asyncio.timeout(self.ms / 1_000):
                async for part in chunks_of(receive):
                    left -= len(part)
                    if left < 0:
                        return


def decode_json(body: bytes, kind: Any) -> Any:
    """Return *body* as *kind*, or raise what `tocsin.api.problems.refusal_of` makes of it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise refusal_of(error, kind) from None
    except UnicodeDecodeError:
        raise Malformed("the body is not valid UTF-8") from None


def decode_query(raw: bytes, kind: type[msgspec.Struct] | None) -> msgspec.Struct | None:
    """Return the query as *kind*; a parameter that is unknown or comes twice is refused."""
    if not raw and kind is None:
        return None
    if len(raw) > _QUERY_CHARACTERS_MAX:
        raise Malformed(f"a query may have {_QUERY_CHARACTERS_MAX} characters")
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_QUERY_FIELDS_MAX,
        )
    except ValueError:
        raise Malformed("the query cannot be read") from None
    values = dict(pairs)
    if len(values) != len(pairs):
        raise RequestRefused("a parameter of the query may come once", code="repeated_parameter")
    try:
        return msgspec.convert(values, kind or _NoQuery, strict=False)
    except msgspec.ValidationError as error:
        problem = field_problem(str(error), kind or _NoQuery, base="/query")
        raise RequestRefused("a parameter is wrong, see errors", errors=(problem,)) from None


def decode_path(values: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of the path, percent-decoded, as non-empty printable text."""
    decoded = {}
    for name, value in values.items():
        try:
            text = unquote_to_bytes(value).decode()
        except UnicodeDecodeError:
            raise Malformed("the address is not valid UTF-8") from None
        if len(text) > 256 or bad_characters(text):
            problem = FieldProblem(
                f"/path/{name}",
                "invalid",
                "must have 1 to 256 characters, none a control character",
            )
            raise RequestRefused("the address cannot be right", errors=(problem,))
        decoded[name] = text
    return decoded


class _NoQuery(msgspec.Struct, forbid_unknown_fields=True):
    """No parameters."""


def too_busy(requests_max: int) -> Unavailable:
    """Return the refusal for when more requests are in hand than the setting allows."""
    return Unavailable(f"{requests_max} requests are in hand already; try again soon")
