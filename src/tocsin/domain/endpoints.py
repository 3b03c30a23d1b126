"""When an endpoint (an address that is a URL) has failed for so long that it is not called."""

from __future__ import annotations

from enum import Enum

import msgspec

from tocsin.domain.recipient import Address


class Patience(msgspec.Struct, frozen=True):
    """How long an endpoint may fail: for so many ms, and at least so often."""

    failing_max_ms: int
    failures_min: int


class Turn(Enum):
    """What a call's outcome changes about its endpoint."""

    NOTHING = "nothing"
    BEGINS = "begins"
    """The first failure since a success."""
    ENDS = "ends"
    """The first success since a failure."""
    DISABLED = "disabled"
    """It has failed for too long."""


def turn(
    address: Address, *, answered: bool, failures: int, now_ms: int, patience: Patience
) -> Turn:
    """
    Judge one outcome of a call to *address*, whose last *failures* calls, this included, failed.

    Time alone says little: one that is called twice a week may fail twice in a row by chance.
    """
    if address.disabled_ms is not None:
        return Turn.NOTHING
    since_ms = address.failing_ms
    if answered:
        return Turn.NOTHING if since_ms is None else Turn.ENDS
    if since_ms is None:
        return Turn.BEGINS
    long = now_ms - since_ms >= patience.failing_max_ms
    return Turn.DISABLED if long and failures >= patience.failures_min else Turn.NOTHING


def turned(address: Address, turn: Turn, now_ms: int) -> Address:
    """Return *address* after *turn*; the same where that has been done meanwhile."""
    match turn:
        case Turn.BEGINS if address.failing_ms is None:
            return msgspec.structs.replace(address, failing_ms=now_ms)
        case Turn.ENDS if address.failing_ms is not None:
            return msgspec.structs.replace(address, failing_ms=None)
        case Turn.DISABLED if address.disabled_ms is None and address.failing_ms is not None:
            return msgspec.structs.replace(address, disabled_ms=now_ms)
        case _:
            return address


def enabled(address: Address) -> Address:
    """Return *address* as one that nothing is known against."""
    return msgspec.structs.replace(address, failing_ms=None, disabled_ms=None)
