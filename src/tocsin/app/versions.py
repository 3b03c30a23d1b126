"""Storing the next version of recipients, although others may do the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from tocsin.domain.recipient import Recipient
from tocsin.errors import Conflict
from tocsin.ports.state import Recipients

T = TypeVar("T")

_TRIES_MAX: Final = 8


async def at_last(attempt: Callable[[], Awaitable[T | None]]) -> T:
    """
    Call *attempt*, which returns None where others were first, until it returns more.

    What it raises goes on to the caller: a change that is refused is not tried again. Raises
    `Conflict` after eight times.
    """
    for _ in range(_TRIES_MAX):
        done = await attempt()
        if done is not None:
            return done
    raise Conflict("others change this recipient at the same time; try again", code="contended")


async def put_unless_late(
    recipients: Recipients, made: Sequence[Recipient]
) -> Sequence[Recipient] | None:
    """Store *made*; None where another has stored one of these versions meanwhile."""
    try:
        return await recipients.put(made)
    except Conflict:
        return None
