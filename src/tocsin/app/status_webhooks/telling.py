"""One call: the body that an endpoint reads, and what its answer means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import xxhash

from tocsin.domain.ids import notification_of, show_delivery, show_event, show_notification
from tocsin.domain.instants import show_instant
from tocsin.domain.retry_after import retry_after_ms
from tocsin.domain.status_webhook import Spot
from tocsin.domain.statuses import Status
from tocsin.domain.webhook_signing import signatures
from tocsin.ports.transport import Answer, Call, Transport

TYPE: Final = "delivery.statuses"
_GONE: Final = 410

_encode: Final = msgspec.json.Encoder().encode


class StatusPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One status; ``id`` is the same whenever it is told again."""

    id: str
    delivery: str
    notification: str
    event: str | None
    workflow: str | None
    recipient: str | None
    channel: str
    lane: str
    state: str
    reason: str
    at: str
    provider: str = ""
    attempt: int = 0
    detail: str = ""


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """Records of the log that were gone before they could be told of."""

    records: int


class Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is told, in the order of the log for each notification."""

    statuses: list[StatusPart]
    missed: Missed | None = None


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """The payload's outermost parts, as Standard Webhooks advises them."""

    type: str
    timestamp: str
    data: Data


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an endpoint made of a call."""

    taken: bool
    gone: bool = False
    after_ms: int | None = None
    detail: str = ""


def body_of(statuses: Sequence[tuple[str, Status]], missed: int, now_ms: int) -> bytes:
    """Return the body as JSON."""
    data = Data(
        statuses=[_part(id, status) for id, status in statuses],
        missed=Missed(records=missed) if missed else None,
    )
    return _encode(Body(type=TYPE, timestamp=show_instant(now_ms), data=data))


def call_id(key: str, begin: Sequence[Spot], until: Sequence[Spot]) -> str:
    """Return the name of a call: the same for every attempt to tell of the same records."""
    text = msgspec.json.encode((key, begin, until))
    return f"stw_{xxhash.xxh3_128_hexdigest(text)}"


async def post(
    transport: Transport,
    url: str,
    secret: str,
    id: str,
    body: bytes,
    wall_ms: Callable[[], int],
) -> Verdict:
    """Make one call; whatever is no 2xx is tried again."""
    stamp_s = wall_ms() // 1_000
    headers = [
        "content-type: application/json",
        f"webhook-id: {id}",
        f"webhook-timestamp: {stamp_s}",
        f"webhook-signature: {signatures(secret, id, stamp_s, body)}",
    ]
    said = await transport.call(Call(url, body, headers))
    if not isinstance(said, Answer):
        return Verdict(False, detail=said.reason)
    if 200 <= said.status < 300:
        return Verdict(True)
    after_ms = retry_after_ms(said.header(b"retry-after"), wall_ms())
    return Verdict(False, said.status == _GONE, after_ms, str(said.status))


def _part(id: str, status: Status) -> StatusPart:
    return StatusPart(
        id=id,
        delivery=show_delivery(status.delivery),
        notification=show_notification(notification_of(status.delivery)),
        event=show_event(status.event) if status.event else None,
        workflow=status.workflow or None,
        recipient=status.recipient,
        channel=status.channel,
        lane=status.lane,
        state=status.state,
        reason=status.reason,
        at=show_instant(status.at_ms),
        provider=status.provider,
        attempt=status.attempt,
        detail=status.detail,
    )
