"""
The errors that Tocsin raises on purpose.

    TocsinError                     500
    ├── RequestRefused              422  understood, and cannot be accepted as it stands
    │   ├── Malformed               400  cannot be parsed
    │   ├── TooLarge                413
    │   ├── NotFound                404
    │   ├── Conflict                409
    │   └── NotBuilt                422  a documented feature that this version does not have
    ├── Unauthenticated             401
    ├── Forbidden                   403
    ├── RateLimited                 429  carries how long to wait
    ├── Unavailable                 503  nothing was done, or it is not known
    │   ├── StorageFull             507
    │   ├── StorageLow              503
    │   └── Stopping                503
    └── StorageFailed               500  fatal: the process stops rather than acknowledge on

``code`` is stable: it is the ``code`` of the problem document (RFC 9457), the metric label and
the anchor in the reference. The message says what to do; it never holds a secret, SQL or the
value of a personal field.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec


class FieldProblem(msgspec.Struct, frozen=True):
    """One field that is wrong: where (RFC 6901 pointer), a stable code, and what to do."""

    pointer: str
    code: str
    detail: str


class TocsinError(Exception):
    """Anything that Tocsin raises on purpose."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something failed inside Tocsin"

    def __init__(self, detail: str, *, errors: tuple[FieldProblem, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors


class RequestRefused(TocsinError):
    """The request is understood and cannot be accepted as it stands."""

    code = "invalid"
    status = 422
    title = "The request cannot be accepted as it stands"

    def __init__(
        self, detail: str, *, code: str | None = None, errors: tuple[FieldProblem, ...] = ()
    ) -> None:
        super().__init__(detail, errors=errors)
        if code is not None:
            self.code = code  # type: ignore[misc]  # an instance may be more exact than its class


class Malformed(RequestRefused):
    """The bytes cannot be read as what they claim to be."""

    code = "malformed"
    status = 400
    title = "The request cannot be read"


class TooLarge(RequestRefused):
    """Above a size limit, which the message names."""

    code = "too_large"
    status = 413
    title = "The request is too large"


class NotFound(RequestRefused):
    """Nothing has this name, or the caller may not know that it exists."""

    code = "not_found"
    status = 404
    title = "Not found"


class Conflict(RequestRefused):
    """The request is right and meets something that is already there."""

    code = "conflict"
    status = 409
    title = "The request conflicts with the present state"


class NotBuilt(RequestRefused):
    """A documented feature that this version does not have: refused, never stored."""

    code = "not_built"
    title = "This version cannot do that yet"


class Unauthenticated(TocsinError):
    """No credential, or one that is unknown, revoked or expired."""

    code = "unauthenticated"
    status = 401
    title = "Who is calling is not known"


class Forbidden(TocsinError):
    """The credential is good and does not reach this."""

    code = "forbidden"
    status = 403
    title = "The key does not reach this"


class RateLimited(TocsinError):
    """Too many at once; ``retry_after_s`` says how long to wait."""

    code = "rate_limited"
    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Unavailable(TocsinError):
    """Not possible now. Repeat with the same id: nothing is done twice."""

    code = "unavailable"
    status = 503
    title = "Not possible right now"
    retry_after_s: float = 1.0


class Overloaded(Unavailable):
    """More comes in than can be decided soon. Nothing of this request was kept."""

    code = "overloaded"


class StorageFull(Unavailable):
    """The disk has no room. Nothing of this request was kept; what was acknowledged stays."""

    code = "storage_full"
    status = 507
    title = "The disk is full"
    retry_after_s = 30.0


class StorageLow(Unavailable):
    """The disk is filling up, and this is not accepted until there is room again."""

    code = "storage_low"
    retry_after_s = 30.0


class Stopping(Unavailable):
    """The process is shutting down."""

    code = "stopping"


class StorageFailed(TocsinError):
    """
    The disk refused to make something durable.

    After a failed fsync the kernel may have dropped the pages and report success next time, so
    nothing is acknowledged any more and the process ends.
    """

    code = "storage_failed"
    title = "Storage failed"


class Fenced(TocsinError):
    """Another owner has taken over this partition: write nothing more for it."""

    code = "fenced"
