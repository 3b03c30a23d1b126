"""Triggers, messages by hand, and cancels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.idempotency import event_ids
from tocsin.api.shared import RecipientId, shown_time
from tocsin.app.cancelling import CancelDesk, CancelOutcome, CancelVerdict
from tocsin.app.sending import Sending, Sent
from tocsin.domain.durations import parse_duration
from tocsin.domain.ids import show_event
from tocsin.errors import FieldProblem, RequestRefused

_RECIPIENTS_MAX: Final = 10_000
_HOLD_MAX_MS: Final = 30 * 86_400_000
_PREFIX: Final = "can_"


class SentAnswer(msgspec.Struct, frozen=True):
    """
    The event that the call became; ``duplicate`` says that it had been sent before.

    ``warnings`` are what probably was not meant, such as a group that nobody is in.
    """

    event: str
    duplicate: bool
    warnings: list[str]


class CancelInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is cancelled, for whom, and for how long events that are still to come are caught."""

    cancellation_key: Annotated[str, Meta(min_length=1, max_length=256)]
    recipients: Annotated[list[RecipientId], Meta(max_length=_RECIPIENTS_MAX)] | None = None
    hold_for: Annotated[str, Meta(max_length=40)] = "1h"


class RecipientVerdict(msgspec.Struct, frozen=True):
    """What the cancel came to for one recipient."""

    id: str
    verdict: CancelVerdict


class CancelAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a cancel came to. ``recipients`` is absent where they are many; ``counts`` is always there.

    ``status`` is where to ask how it stands later, for example for what was in flight.
    """

    id: str
    held_until: str | None
    counts: dict[str, int]
    status: str
    recipients: list[RecipientVerdict] | UnsetType = UNSET


class SendingRoutes:
    """Handlers of what sends without being an event of a type."""

    def __init__(self, sending: Sending, cancels: CancelDesk) -> None:
        self._sending = sending
        self._cancels = cancels

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        answers = {202: SentAnswer}
        body = dict[str, Any]
        return (
            Endpoint(
                "POST",
                "/v1/workflows/{key}/trigger",
                "Run a workflow",
                self.trigger,
                answers,
                body=body,
                body_raw=True,
            ),
            Endpoint(
                "POST",
                "/v1/send",
                "Send a message by hand",
                self.send,
                answers,
                body=body,
                body_raw=True,
            ),
            Endpoint(
                "POST",
                "/v1/cancel",
                "Cancel what has not gone out yet",
                self.cancel,
                {200: CancelAnswer, 202: CancelAnswer},
                body=CancelInput,
            ),
            Endpoint(
                "GET",
                "/v1/cancels/{id}",
                "How a cancel stands",
                self.status,
                {200: CancelAnswer},
            ),
        )

    async def trigger(self, call: Call) -> Answer:
        """Accept a trigger."""
        return _sent(await self._sending.trigger(call.by, call.path["key"], call.raw, _ids(call)))

    async def send(self, call: Call) -> Answer:
        """Accept a message by hand."""
        return _sent(await self._sending.by_hand(call.by, call.raw, _ids(call)))

    async def cancel(self, call: Call) -> Answer:
        """Cancel; 202 where the recipients are too many to be listed."""
        given = call.body(CancelInput)
        outcome = await self._cancels.cancel(
            call.by, given.cancellation_key, given.recipients, _hold_ms(given.hold_for)
        )
        return Answer(_show(outcome), status=200 if outcome.recipients is not None else 202)

    async def status(self, call: Call) -> Answer:
        """Answer how an earlier cancel stands."""
        outcome = await self._cancels.status(call.path["id"].removeprefix(_PREFIX))
        return Answer(_show(outcome))


def _ids(call: Call) -> list[str] | None:
    key = call.headers.get("idempotency-key")
    return None if key is None else event_ids(call.by, key, 1)


def _sent(sent: Sent) -> Answer:
    event = show_event(sent.taken.key)
    return Answer(SentAnswer(event, sent.taken.duplicate, list(sent.warnings)), status=202)


def _hold_ms(text: str) -> int:
    try:
        hold_ms = parse_duration(text)
    except ValueError as refusal:
        problem = FieldProblem("/hold_for", "invalid_duration", str(refusal))
        raise RequestRefused("a field is wrong, see errors", errors=(problem,)) from None
    if hold_ms > _HOLD_MAX_MS:
        problem = FieldProblem("/hold_for", "invalid_duration", "at most 30d is allowed here")
        raise RequestRefused("a field is wrong, see errors", errors=(problem,))
    return hold_ms


def _show(outcome: CancelOutcome) -> CancelAnswer:
    found = outcome.recipients
    return CancelAnswer(
        id=_PREFIX + outcome.id,
        held_until=shown_time(outcome.held_until_ms),
        counts=outcome.counts,
        status=f"/v1/cancels/{_PREFIX}{outcome.id}",
        recipients=UNSET if found is None else [RecipientVerdict(*each) for each in found.items()],
    )
