"""``/v1/sandbox/clock``: what time it is in the sandbox, and moving it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import shown_time
from tocsin.app.clock_desk import ClockDesk, ClockFace
from tocsin.domain.durations import parse_duration
from tocsin.domain.instants import parse_begin
from tocsin.errors import Conflict, FieldProblem, RequestRefused

PATH = "/v1/sandbox/clock"


class ClockChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far to go on, or until when: one of the two."""

    advance: Annotated[str, Meta(max_length=64)] | None = None
    set: Annotated[str, Meta(max_length=64)] | None = None


class ClockAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the clock shows; it flows on from there.

    ``moving_to`` is there while it is being moved. ``stops`` is at how many due times the move has
    stopped; ``settled`` is false when something was still under way after half a minute.
    """

    now: str | None
    offset_ms: int
    moving_to: str | None
    stops: int
    settled: bool


class SandboxClockRoutes:
    """Handlers of ``/v1/sandbox/clock``."""

    def __init__(self, desk: ClockDesk | None) -> None:
        """*desk* is None where the clock is the machine's."""
        self._desk = desk

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        return (
            Endpoint(
                "GET",
                PATH,
                "What time it is in the sandbox",
                self.get,
                {200: ClockAnswer},
                quiet=True,
            ),
            Endpoint(
                "POST",
                PATH,
                "Move the sandbox's clock; answers when all that came due has been done",
                self.move,
                {200: ClockAnswer},
                body=ClockChange,
                patient=True,
            ),
        )

    async def get(self, call: Call) -> Answer:
        """Answer the time."""
        return Answer(_show(self._sandbox().face()))

    async def move(self, call: Call) -> Answer:
        """Move the clock."""
        desk = self._sandbox()
        change = call.body(ClockChange)
        if (change.advance is None) == (change.set is None):
            raise _wrong("", "say either how far to advance, or what time to set")
        if change.advance is not None:
            return Answer(_show(await desk.advance(_by_ms(change.advance))))
        assert change.set is not None
        return Answer(_show(await desk.set(_to_ms(change.set))))

    def _sandbox(self) -> ClockDesk:
        if self._desk is None:
            raise only_in_a_sandbox()
        return self._desk


def only_in_a_sandbox() -> Conflict:
    """Return what a real server answers."""
    detail = "this server is real: only a sandbox has a clock to move and vendors that are played"
    return Conflict(detail, code="not_a_sandbox")


def _by_ms(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as refused:
        raise _wrong("/advance", str(refused)) from None


def _to_ms(text: str) -> int:
    try:
        return parse_begin(text)
    except ValueError as refused:
        raise _wrong("/set", str(refused)) from None


def _wrong(pointer: str, detail: str) -> RequestRefused:
    problem = FieldProblem(pointer, "invalid_time", detail)
    return RequestRefused("a field is wrong, see errors", errors=(problem,))


def _show(face: ClockFace) -> ClockAnswer:
    return ClockAnswer(
        now=shown_time(face.now_ms),
        offset_ms=face.offset_ms,
        moving_to=shown_time(face.moving_to_ms),
        stops=face.stops,
        settled=face.settled,
    )
