"""Dead letters: what failed for good, to be looked at, made anew or put aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tocsin.api.addresses import sees_addresses
from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import Key, PageQuery, cursor_of, time_back
from tocsin.api.shown_letters import DeadLetterAnswer, DeadLetterDetail, show, show_letter
from tocsin.app.dead_letters.desk import AT_ONCE_MAX, DeadLetterDesk, Moved
from tocsin.app.dead_letters.showing import ShowStep
from tocsin.app.texts import PLAIN, Line64
from tocsin.domain.dead_letters import LetterState, Wanted, read_letter
from tocsin.domain.ids import show_delivery
from tocsin.errors import FieldProblem, RequestRefused
from tocsin.ports.system import Clock

Since = Annotated[str, Meta(max_length=64)]
Why = Annotated[str, Meta(min_length=1, max_length=500, pattern=PLAIN)]

_PATH: Final = "/v1/dead-letters"


class DeadLettersQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which ones: those that fit all that is given; ``since`` is a time, or how far back."""

    channel: Line64 | None = None
    lane: Line64 | None = None
    workflow: Key | None = None
    provider: Line64 | None = None
    reason: Line64 | None = None
    since: Since | None = None
    state: LetterState = LetterState.WAITING


class DeadLetterPage(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Dead letters, newest first; ``next`` is the cursor of the page after this one."""

    items: list[DeadLetterAnswer]
    next: str | None


class LetterFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those that fit all that is given; an empty one fits all."""

    channel: Line64 | None = None
    lane: Line64 | None = None
    workflow: Key | None = None
    provider: Line64 | None = None
    reason: Line64 | None = None
    since: Since | None = None


class ReplayInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which ones to make anew: ``ids``, or all that fit ``filter``."""

    ids: Annotated[list[str], Meta(min_length=1, max_length=AT_ONCE_MAX)] | None = None
    filter: LetterFilter | None = None


class DiscardManyInput(ReplayInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which ones to put aside, and why."""

    reason: Why


class DiscardInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why; it stands in the audit trail."""

    reason: Why


class ReplayAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``delivery`` is the new delivery; None for an input record, which is routed again."""

    delivery: str | None


class MovedAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How many were taken; with ``more`` others that fit are left, so ask again."""

    count: int
    more: bool


class DeadLetterRoutes:
    """Handlers of ``/v1/dead-letters``."""

    def __init__(self, desk: DeadLetterDesk, show_step: ShowStep, clock: Clock) -> None:
        self._desk = desk
        self._show = show_step
        self._clock = clock

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        one = _PATH + "/{id}"
        return (
            Endpoint(
                "GET",
                _PATH,
                "List dead letters",
                self.list,
                {200: DeadLetterPage},
                query=DeadLettersQuery,
            ),
            Endpoint(
                "GET",
                one,
                "Get a dead letter with its event, text and attempts",
                self.get,
                {200: DeadLetterDetail},
            ),
            Endpoint(
                "POST",
                one + "/replay",
                "Make a dead letter anew",
                self.replay,
                {202: ReplayAnswer},
            ),
            Endpoint(
                "POST",
                one + "/discard",
                "Put a dead letter aside",
                self.discard,
                {204: None},
                body=DiscardInput,
            ),
            *self._many(),
        )

    def _many(self) -> Sequence[Endpoint]:
        return (
            Endpoint(
                "POST",
                _PATH + "/replay",
                "Make dead letters anew, by id or filter",
                self.replay_many,
                {202: MovedAnswer},
                body=ReplayInput,
            ),
            Endpoint(
                "POST",
                _PATH + "/discard",
                "Put dead letters aside, by id or filter",
                self.discard_many,
                {200: MovedAnswer},
                body=DiscardManyInput,
            ),
        )

    async def list(self, call: Call) -> Answer:
        """Answer a page."""
        query = call.query(DeadLettersQuery)
        wanted = self._wanted(query, query.state)
        before = query.after_number() or None
        found = await self._desk.page(wanted, before, query.limit)
        more = len(found) == query.limit
        return Answer(
            DeadLetterPage(
                items=[show(each) for each in found],
                next=cursor_of(found[-1].letter.number) if more else None,
            )
        )

    async def get(self, call: Call) -> Answer:
        """Answer one with everything."""
        named = await self._desk.get(read_letter(call.path["id"]))
        return Answer(show_letter(await self._show(named, sees_address=sees_addresses(call.by))))

    async def replay(self, call: Call) -> Answer:
        """Take one; the delivery that is made is in the ledger in a moment."""
        made = await self._desk.replay(call.by, read_letter(call.path["id"]))
        shown = None if made is None else show_delivery(made)
        return Answer(ReplayAnswer(delivery=shown), status=202)

    async def discard(self, call: Call) -> Answer:
        """Put one aside."""
        key = read_letter(call.path["id"])
        await self._desk.discard(call.by, key, call.body(DiscardInput).reason)
        return Answer(status=204)

    async def replay_many(self, call: Call) -> Answer:
        """Take some, oldest first."""
        which = self._which(call.body(ReplayInput))
        return Answer(_moved(await self._desk.replay_many(call.by, which)), status=202)

    async def discard_many(self, call: Call) -> Answer:
        """Put some aside, oldest first."""
        given = call.body(DiscardManyInput)
        moved = await self._desk.discard_many(call.by, self._which(given), given.reason)
        return Answer(_moved(moved))

    def _which(self, given: ReplayInput) -> Wanted | Sequence[bytes]:
        if (given.ids is None) == (given.filter is None):
            problem = FieldProblem("/ids", "required", "give either ids or a filter")
            raise RequestRefused("name the dead letters", errors=(problem,))
        if given.ids is not None:
            return [read_letter(id) for id in given.ids]
        assert given.filter is not None
        return self._wanted(given.filter, LetterState.WAITING)

    def _wanted(self, given: DeadLettersQuery | LetterFilter, state: LetterState) -> Wanted:
        now_ms = self._clock.now_ms()
        return Wanted(
            state=state,
            channel=given.channel,
            lane=given.lane,
            workflow=given.workflow,
            provider=given.provider,
            reason=given.reason,
            since_ms=None if given.since is None else time_back(given.since, "/since", now_ms),
        )


def _moved(moved: Moved) -> MovedAnswer:
    return MovedAnswer(count=moved.letters, more=moved.more)
