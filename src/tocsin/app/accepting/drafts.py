"""Events on their way to the log, and what all of one type have in common."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.app.callers import Principal
from tocsin.domain.cloudevents import IncomingEvent
from tocsin.domain.ids import EventKey
from tocsin.domain.lanes import Lane
from tocsin.domain.records import Event
from tocsin.domain.workflow import Workflow

UNROUTED_LANE: Final[Lane] = "transactional"

Pinned = tuple[tuple[str, int, int], ...]
"""(key, version, index in the event's whole list) of workflows."""


class Uptake(msgspec.Struct, frozen=True):
    """What takes the events of one type, worked out once for all of a request."""

    workflows: tuple[Workflow, ...]
    names: tuple[str, ...]
    """What an event claims: the workflows' keys, or the empty one where there is none."""
    lanes: tuple[tuple[str, Pinned], ...]
    """(topic, pinned workflows) of each lane concerned."""
    checks_data: bool
    """Whether any of the workflows has a schema."""


class Draft(msgspec.Struct, frozen=True, gc=False):
    """One event that is to be written; *place* is its own in the request."""

    place: int
    event: IncomingEvent
    source: str
    id: str
    digest: bytes
    uptake: Uptake


def uptake_of(workflows: tuple[Workflow, ...]) -> Uptake:
    """Return how *workflows* take an event; without any it is written all the same."""
    lanes: dict[str, list[tuple[str, int, int]]] = {} if workflows else {UNROUTED_LANE: []}
    for index, workflow in enumerate(workflows):
        lanes.setdefault(workflow.lane, []).append((workflow.key, workflow.version, index))
    return Uptake(
        workflows,
        tuple(workflow.key for workflow in workflows) or ("",),
        tuple((f"events.{lane}", tuple(pinned)) for lane, pinned in lanes.items()),
        any(workflow.check_data is not None for workflow in workflows),
    )


def record_of(
    draft: Draft,
    key: EventKey,
    now_ms: int,
    pinned: Pinned,
    data_ref: str | None,
    content: bytes | None,
    caller: Principal,
    *,
    may_change: bool,
) -> Event:
    """Return the record of one lane; *may_change* says whether the caller may change addresses."""
    event = draft.event
    send_ms = _send_ms(event, now_ms)
    return Event(
        key,
        now_ms,
        caller.producer,
        draft.source,
        draft.id,
        event.type,
        draft.digest,
        b"{}" if data_ref is not None else event.data,
        pinned,
        event.subject,
        event.time_ms,
        event.audience,
        event.exclude,
        event.actor,
        event.tenant,
        event.locale,
        event.cancellation_key,
        None if event.expires_in_ms is None else (send_ms or now_ms) + event.expires_in_ms,
        event.trace,
        event.strict_recipients,
        may_change,
        content,
        data_ref,
        send_ms=send_ms,
    )


def _send_ms(event: IncomingEvent, now_ms: int) -> int | None:
    """Return when it is to be sent; None: now."""
    send_ms = event.send_ms
    if send_ms is None:
        if event.send_in_ms is None:
            return None
        send_ms = now_ms + event.send_in_ms
    return send_ms if send_ms > now_ms else None
