"""
Errors as the outside sees them: RFC 9457 documents with stable codes.

A document holds what to do, and never a stack, SQL, a secret or the value of a personal field:
what msgspec says about a value is turned into a code and a sentence of our own.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from tocsin.errors import FieldProblem, RequestRefused, TocsinError

PROBLEM_TYPE: Final = "application/problem+json"
_TYPE_PREFIX: Final = "urn:tocsin:problem:"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong (RFC 9457); `code` is stable and listed in the reference."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: tuple[FieldProblem, ...] = ()
    request_id: str = ""


class InternalError(TocsinError):
    """Anything that was not raised on purpose; the log has it under the request's id."""

    code = "internal_error"


class MethodNotAllowed(RequestRefused):
    """The path exists and does not know this method; ``allow`` lists those it knows."""

    code = "method_not_allowed"
    status = 405
    title = "This address does not take the method"

    def __init__(self, allow: tuple[str, ...]) -> None:
        super().__init__(f"use one of {', '.join(allow)}")
        self.allow = allow


class UnsupportedMediaType(RequestRefused):
    """The body claims to be something that is not read here."""

    code = "unsupported_media_type"
    status = 415
    title = "This kind of body is not read here"


def problem_of(error: TocsinError, request_id: str) -> Problem:
    """Return the document for *error*."""
    return Problem(
        type=_TYPE_PREFIX + error.code,
        title=error.title,
        status=error.status,
        code=error.code,
        detail=error.detail,
        errors=error.errors,
        request_id=request_id,
    )


def problem_headers(error: TocsinError) -> list[tuple[bytes, bytes]]:
    """Return the headers that belong to *error* beside its document."""
    headers: list[tuple[bytes, bytes]] = []
    wait_s: float | None = getattr(error, "retry_after_s", None)
    if wait_s is not None:
        seconds = max(1, math.ceil(wait_s))
        headers.append((b"retry-after", b"%d" % seconds))
        if error.status == 429:
            headers.append((b"ratelimit", b'"default";r=0;t=%d' % seconds))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", ", ".join(error.allow).encode()))
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="tocsin"'))
    return headers


def encode_problem(error: TocsinError, request_id: str) -> bytes:
    """Return the bytes of the document for *error*."""
    return msgspec.json.encode(problem_of(error, request_id)) + b"\n"
