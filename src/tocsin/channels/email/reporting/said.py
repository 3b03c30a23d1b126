"""What kinds of events of a mail service say of a letter; which kinds there are each folder knows."""

from __future__ import annotations

from math import isfinite
from typing import Final, NamedTuple

from tocsin.ports.outcomes import ProviderReason
from tocsin.ports.receipts import ReceiptState


class Said(NamedTuple):
    """What a kind of event says; ``dead`` that the address takes no letters at all."""

    state: ReceiptState
    reason: str
    dead: bool = False


DELIVERED: Final = Said(ReceiptState.DELIVERED, "delivered")
OPENED: Final = Said(ReceiptState.OPENED, "opened")
CLICKED: Final = Said(ReceiptState.CLICKED, "clicked")
COMPLAINED: Final = Said(ReceiptState.COMPLAINED, "complained")
UNSUBSCRIBED: Final = Said(ReceiptState.UNSUBSCRIBED, "unsubscribed")
DEAD: Final = Said(ReceiptState.FAILED, ProviderReason.DEAD_ADDRESS, True)
BLOCKED: Final = Said(ReceiptState.FAILED, ProviderReason.BLOCKED)
CONTENT: Final = Said(ReceiptState.FAILED, ProviderReason.BAD_CONTENT)
OURS: Final = Said(ReceiptState.FAILED, ProviderReason.OUR_FAULT)


_END_S: Final = 253_402_300_799
"""The last second of the year 9999."""


def stamp_ms(seconds: float) -> int:
    """Return as milliseconds what a vendor says in seconds; of what is no time, one far away."""
    return int(min(max(seconds, 0.0), _END_S) * 1_000) if isfinite(seconds) else 0
