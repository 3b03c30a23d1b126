"""Records for the suites of log and views."""

from __future__ import annotations

from collections.abc import Sequence

from pyroaring import BitMap

from tocsin.domain.ids import event_key, notification_key
from tocsin.domain.inbox import StateName
from tocsin.domain.items import body
from tocsin.domain.reasons import Reason
from tocsin.domain.records import Broadcast, Item, StateChange
from tocsin.ports.views import StoredItem

BEGIN_MS = 1_900_000_000_000


def item(recipient: int, number: int, visible_ms: int, expires_ms: int | None = None) -> Item:
    """Return the item of the event with this *number*."""
    key = notification_key(event_key(visible_ms, number.to_bytes(10, "big")), 0, recipient)
    # A notification's id takes four bytes of the event's chance.
    key = type(key)(key[:6] + number.to_bytes(4, "big") + key[10:])
    return Item(
        key=key,
        recipient=recipient,
        recipient_id=f"r{recipient}",
        visible_ms=visible_ms,
        category="orders" if number % 2 else "news",
        body=body(key, b',"title":"%d"}' % number),
        expires_ms=expires_ms,
    )


def broadcast(
    receivers: Sequence[int], number: int, visible_ms: int, expires_ms: int | None = None
) -> Broadcast:
    """Return a chunk for *receivers*, all of one block."""
    event = visible_ms.to_bytes(6, "big") + number.to_bytes(4, "big") + bytes(6)
    return Broadcast(
        fanout=event,
        event=event,
        workflow="w",
        version=1,
        index=0,
        step=0,
        channel="inbox",
        category="news",
        lane="bulk",
        block=receivers[0] >> 16,
        visible_ms=visible_ms,
        by_reason={Reason.SEND: BitMap(receivers).serialize()},
        body=b',"title":"%d"}' % number,
        event_place=("bulk", 0, 0),
        expires_ms=expires_ms,
    )


def change(
    recipient: int, state: StateName, items: Sequence[StoredItem], at_ms: int
) -> StateChange:
    """Return a change of some items."""
    return StateChange(
        recipient=recipient,
        recipient_id=f"r{recipient}",
        state=state,
        keys=tuple(each.key for each in items),
        at_ms=at_ms,
        places=tuple(each.place for each in items),
    )


def sweep(recipient: int, state: StateName, until: Sequence[int], at_ms: int) -> StateChange:
    """Return a change of everything below *until*."""
    return StateChange(
        recipient=recipient,
        recipient_id=f"r{recipient}",
        state=state,
        keys=(),
        at_ms=at_ms,
        until=tuple(until),
    )
