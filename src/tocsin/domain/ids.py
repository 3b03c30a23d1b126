"""
Names of events, notifications and deliveries.

An event's id is 16 bytes: the acceptance time in ms (48 bits), then 80 random bits. It is minted
when the event is accepted and travels in its record.

A notification's id follows from what it is about: deciding again gives the same one, and what it
holds is known without a look at a store::

    0        6          10       11           16
    | ms     | event    | index  | recipient  |
    | 48 bit | 32 bit   | 8 bit  | 40 bit     |

*ms* and *event* are the first ten bytes of the event's id, *index* is the place in the event's
list of workflows, *recipient* the dense number. It sorts by acceptance time. A delivery adds the
step (8 bits), the address (16 bits) and the generation (8 bits; 0 unless it is a replay).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, NewType

from tocsin.errors import Conflict, RequestRefused

EventKey = NewType("EventKey", bytes)
"""16 bytes."""
NotificationKey = NewType("NotificationKey", bytes)
"""16 bytes."""
DeliveryKey = NewType("DeliveryKey", bytes)
"""20 bytes."""

GENERATIONS_MAX: Final = 255

RECIPIENT_NUMBER_MAX: Final = 2**32 - 1
"""Dense numbers live in Roaring bitmaps, which hold 32 bits."""

_HEX32 = re.compile(r"[0-9a-f]{32}\Z")
_HEX40 = re.compile(r"[0-9a-f]{40}\Z")


class NotificationParts(NamedTuple):
    """What a notification's id holds."""

    accepted_ms: int
    event_prefix: bytes
    workflow_index: int
    recipient: int


def event_key(accepted_ms: int, chance: bytes) -> EventKey:
    """Mint an event's id from the acceptance time and ten random bytes."""
    return EventKey(accepted_ms.to_bytes(6, "big") + chance)


def accepted_ms(key: bytes) -> int:
    """Return the acceptance time, in ms, of any key of this module."""
    return int.from_bytes(key[:6], "big")


def event_prefix(key: bytes) -> bytes:
    """Return the ten bytes of an event's id that all keys which follow from it begin with."""
    return key[:10]


def notification_key(event: EventKey, workflow_index: int, recipient: int) -> NotificationKey:
    """Return the id of the run of the event's *workflow_index*-th workflow for *recipient*."""
    return NotificationKey(
        event_prefix(event) + ((workflow_index << 40) | recipient).to_bytes(6, "big")
    )


def recipient_of(key: bytes) -> int:
    """Return the dense number of the recipient whom a notification or delivery is for."""
    return int.from_bytes(key[11:16], "big")


def workflow_index_of(key: bytes) -> int:
    """Return the place in the event's list of workflows of a notification or delivery."""
    return key[10]


def notification_parts(key: NotificationKey) -> NotificationParts:
    """Read a notification's id back."""
    return NotificationParts(
        int.from_bytes(key[:6], "big"), key[6:10], key[10], int.from_bytes(key[11:16], "big")
    )


def delivery_key(
    notification: NotificationKey, step: int, address: int, generation: int = 0
) -> DeliveryKey:
    """Return the id of *notification*'s delivery by *step* to *address* (0: has no address)."""
    return DeliveryKey(notification + bytes((step, address >> 8, address & 255, generation)))


def notification_of(delivery: bytes) -> NotificationKey:
    """Return the id of the notification that a delivery belongs to."""
    return NotificationKey(delivery[:16])


def step_of(delivery: bytes) -> int:
    """Return the place of a delivery's step among the workflow's."""
    return delivery[16]


def address_of(delivery: bytes) -> int:
    """Return the number of the recipient's address that a delivery goes to; 0: it has none."""
    return int.from_bytes(delivery[17:19], "big")


def generation_of(delivery: bytes) -> int:
    """Return how often a delivery was made anew before it: 0 for the first."""
    return delivery[19]


def generation_before(delivery: bytes) -> DeliveryKey | None:
    """Return the id of the delivery that *delivery* was made in the place of, None for a first."""
    generation = generation_of(delivery)
    return DeliveryKey(delivery[:19] + bytes((generation - 1,))) if generation else None


def next_generation(delivery: bytes) -> DeliveryKey:
    """Return the id of the delivery that makes *delivery* anew; raises `Conflict` at the last."""
    generation = generation_of(delivery) + 1
    if generation > GENERATIONS_MAX:
        raise Conflict(f"a delivery is made anew {GENERATIONS_MAX} times at most")
    return DeliveryKey(delivery[:19] + bytes((generation,)))


def fanout_key(event: bytes, workflow_index: int) -> bytes:
    """
    Return the id of the fan-out of the event's *workflow_index*-th workflow: 16 bytes.

    It is a notification's id for recipient 0, a number that nobody has, so that a claim row of
    the fan-out as a whole fits among those of deliveries (`fanout_delivery`).
    """
    return notification_key(EventKey(event), workflow_index, 0)


def fanout_delivery(fanout: bytes) -> DeliveryKey:
    """Return the key of the claim row that stands for all of a fan-out."""
    return delivery_key(NotificationKey(fanout), 0, 0)


def show_event(key: bytes) -> str:
    """Return the printed form, ``evt_…``."""
    return "evt_" + key.hex()


def show_notification(key: bytes) -> str:
    """Return the printed form, ``ntf_…``."""
    return "ntf_" + key.hex()


def show_delivery(key: bytes) -> str:
    """Return the printed form, ``dlv_…``."""
    return "dlv_" + key.hex()


def show_fanout(key: bytes) -> str:
    """Return the printed form, ``fan_…``."""
    return "fan_" + key.hex()


def read_fanout(text: str) -> bytes:
    """Read ``fan_…``; raises `RequestRefused` with the code ``invalid_id``."""
    return _read("fan_", _HEX32, text)


def read_event(text: str) -> EventKey:
    """Read ``evt_…``; raises `RequestRefused` with the code ``invalid_id``."""
    return EventKey(_read("evt_", _HEX32, text))


def read_notification(text: str) -> NotificationKey:
    """Read ``ntf_…``; raises `RequestRefused` with the code ``invalid_id``."""
    return NotificationKey(_read("ntf_", _HEX32, text))


def read_delivery(text: str) -> DeliveryKey:
    """Read ``dlv_…``; raises `RequestRefused` with the code ``invalid_id``."""
    return DeliveryKey(_read("dlv_", _HEX40, text))


def _read(prefix: str, shape: re.Pattern[str], text: str) -> bytes:
    if not text.startswith(prefix) or not shape.match(text, len(prefix)):
        raise RequestRefused(
            f"an id that starts with {prefix} and goes on with hexadecimal digits is needed here",
            code="invalid_id",
        )
    return bytes.fromhex(text[len(prefix) :])
