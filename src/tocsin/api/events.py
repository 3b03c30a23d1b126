"""``POST /v1/events``: the hot route, a plain ASGI application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from tocsin.api.body import read_body
from tocsin.api.endpoint import Endpoint
from tocsin.api.idempotency import Repeats, event_ids, fingerprint
from tocsin.app.accepting.accept import Accept, Problems, Taken
from tocsin.app.callers import Principal
from tocsin.domain.cloudevents import EventLimits, Incoming, read_events
from tocsin.domain.ids import show_event
from tocsin.errors import FieldProblem, Malformed, RequestRefused
from tocsin.ports.state import StoredAnswer

_JSON: Final = "application/json"

EVENT_TYPES: Final = (
    _JSON,
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)


class EventOutcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """An accepted event's id, or what is wrong with one that was refused."""

    id: str | None = None
    duplicate: bool | None = None
    code: str | None = None
    title: str | None = None
    errors: tuple[FieldProblem, ...] = ()


class EventsAnswer(msgspec.Struct, frozen=True):
    """The outcome of each event, in the order of the request."""

    events: list[EventOutcome]


class EventsApp:
    """Accepts events: 202 when all of them are durable, 207 when some were refused."""

    def __init__(
        self, accept: Accept, repeats: Repeats, limits: EventLimits, bytes_max: int
    ) -> None:
        self._accept = accept
        self._repeats = repeats
        self._limits = limits
        self._bytes_max = bytes_max

    def endpoint(self) -> Endpoint:
        """Return the route."""
        return Endpoint(
            "POST",
            "/v1/events",
            "Send events: CloudEvents (structured, batch, binary) or the shorthand",
            None,
            {202: EventsAnswer, 207: EventsAnswer},
            body=dict[str, Any] | list[dict[str, Any]],
            body_types=EVENT_TYPES,
            body_raw=True,
            asgi=self,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request whose caller has been checked."""
        caller: Principal = scope["tocsin.caller"]
        headers = Headers(scope=scope)
        body = await read_body(headers, receive, self._bytes_max)
        self._accept.check_room(body)
        key = headers.get("idempotency-key")
        if key is None:
            status, answer = await self._answer(caller, headers, body, None)
        else:
            status, answer = await self._once(caller, headers, body, key)
        await _send(send, status, answer)

    async def _once(
        self, caller: Principal, headers: Headers, body: bytes, key: str
    ) -> tuple[int, bytes]:
        marks = fingerprint("POST", b"/v1/events", headers.get("content-type", ""), body)
        stored = await self._repeats.begin(caller, key, marks)
        if stored is not None:
            return stored.status, stored.body
        try:
            status, answer = await self._answer(caller, headers, body, key)
        except BaseException:
            await self._repeats.forget(caller, key)
            raise
        await self._repeats.finish(caller, key, StoredAnswer(status, answer, _JSON))
        return status, answer

    async def _answer(
        self, caller: Principal, headers: Headers, body: bytes, key: str | None
    ) -> tuple[int, bytes]:
        content_type = headers.get("content-type")
        if content_type is None:
            raise Malformed("say with Content-Type how the events are written")
        incoming = read_events(content_type, headers, body, self._limits)
        ids = None if key is None else event_ids(caller, key, len(incoming.items))
        outcome = await self._accept.take(caller, incoming.items, id_of=ids)
        return _outcome(incoming, outcome)


def _outcome(incoming: Incoming, outcome: Sequence[Taken | Problems]) -> tuple[int, bytes]:
    parts = []
    refused = 0
    for each in outcome:
        if isinstance(each, Taken):
            duplicate = "true" if each.duplicate else "false"
            parts.append(f'{{"id":"{show_event(each.key)}","duplicate":{duplicate}}}')
        else:
            refused += 1
            title = RequestRefused.title
            code = each[0].code if each else RequestRefused.code
            refusal = EventOutcome(code=code, title=title, errors=each)
            parts.append(msgspec.json.encode(refusal).decode())
    if refused == len(outcome):
        raise _all_refused(incoming, outcome)
    return (207 if refused else 202), f'{{"events":[{",".join(parts)}]}}\n'.encode()


def _all_refused(incoming: Incoming, outcome: Sequence[Taken | Problems]) -> RequestRefused:
    """Nothing was accepted: one problem document, whose pointers say which event is meant."""
    if not incoming.many and outcome and not isinstance(outcome[0], Taken):
        return RequestRefused("the event cannot be accepted, see errors", errors=outcome[0])
    problems = tuple(
        FieldProblem(f"/{index}{each.pointer}", each.code, each.detail)
        for index, found in enumerate(outcome)
        if not isinstance(found, Taken)
        for each in found
    )
    return RequestRefused("none of the events can be accepted, see errors", errors=problems)


async def _send(send: Send, status: int, body: bytes) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
