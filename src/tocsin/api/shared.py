"""What several resources share: pages, times, keys of documents."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from tocsin.app.texts import KEY_PATTERN, PLAIN
from tocsin.domain.base64url import base64url, read_base64url
from tocsin.domain.durations import parse_duration
from tocsin.domain.instants import parse_instant, show_instant
from tocsin.domain.reading import KEY
from tocsin.errors import FieldProblem, RequestRefused

PAGE_MAX: Final = 500
PAGE: Final = 50

Document = dict[str, Any]
Key = Annotated[str, Meta(min_length=1, max_length=128, pattern=KEY_PATTERN)]
RecipientId = Annotated[str, Meta(min_length=1, max_length=256, pattern=PLAIN)]


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page: ``cursor`` is what the answer before gave as ``next``."""

    cursor: Annotated[str, Meta(max_length=2_048)] | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE

    def after(self) -> str | None:
        """Return what the cursor stands for."""
        return None if self.cursor is None else _read_cursor(self.cursor)

    def after_number(self) -> int:
        """Return the number that the cursor stands for, 0 for the first page."""
        text = self.after()
        if text is None:
            return 0
        if not (text.isascii() and text.isdecimal() and len(text) < 12):
            raise _bad_cursor()
        return int(text)


def cursor_of(last: str | int) -> str:
    """Return the cursor of a page that begins after *last*; opaque to whoever gets it."""
    return base64url(str(last).encode())


def shown_time(at_ms: int | None) -> str | None:
    """Return a time as answers show it."""
    return None if at_ms is None else show_instant(at_ms)


def given_time(text: str | None, pointer: str) -> int | None:
    """Return the milliseconds of a time in a request; raises `RequestRefused`."""
    if text is None:
        return None
    try:
        return parse_instant(text)
    except (ValueError, OverflowError):
        detail = "is not a time with an offset, for example 2030-01-31T12:00:00Z"
        problem = FieldProblem(pointer, "invalid_time", detail)
        raise RequestRefused("a field is wrong, see errors", errors=(problem,)) from None


def time_back(text: str, pointer: str, now_ms: int) -> int:
    """
    Return the instant that *text* names: a time, or how far back from now (``1h``, ``2d``).

    Never before the epoch, from where the keys of events count. Raises `RequestRefused`.
    """
    if "-" in text:
        at_ms = given_time(text, pointer)
        assert at_ms is not None
        return max(at_ms, 0)
    try:
        return max(now_ms - parse_duration(text), 0)
    except ValueError:
        problem = FieldProblem(pointer, "invalid_time", "write 1h, 30m or a time")
        raise RequestRefused("a field is wrong, see errors", errors=(problem,)) from None


def has_version(if_none_match: str | None, tag: str) -> bool:
    """Return whether the caller has the version *tag* already (RFC 9110 13.1.2)."""
    if if_none_match is None:
        return False
    held = [part.strip().removeprefix("W/") for part in if_none_match.split(",")]
    return tag in held or held == ["*"]


def check_key(key: str) -> str:
    """Return *key* if a document may be named so; raises `RequestRefused`."""
    if KEY.match(key) is None:
        raise RequestRefused(
            "a key has 1 to 128 letters, digits and . _ : - and begins with a letter or digit",
            code="invalid_key",
        )
    return key


def _read_cursor(cursor: str) -> str:
    try:
        text = read_base64url(cursor).decode()
    except ValueError:
        raise _bad_cursor() from None
    if not text.isprintable():
        raise _bad_cursor()
    return text


def _bad_cursor() -> RequestRefused:
    return RequestRefused("the cursor is not one that was given out here", code="invalid_cursor")
