"""What only a sandbox has: a clock that can be moved, and vendors that are played."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.adapters.sandbox_clock import SandboxClock
from tocsin.app.clock_desk import ClockDesk
from tocsin.app.quiet import Quiet, Waiter, Worker
from tocsin.app.status_webhooks.runner import StatusWebhookRunner
from tocsin.wiring.services import Services

_LONGEST_MS: Final = 35_000
"""Longer than a call to a provider may take by default."""


def build_clock_desk(services: Services) -> ClockDesk | None:
    """Return what moves the clock; None where it is the machine's own."""
    clock = services.clock
    if not isinstance(clock, SandboxClock) or services.vendors is None:
        return None
    delivery = services.delivery
    waiters: list[Waiter] = [services.timers, *delivery.lanes, *_tellers(services)]
    waiters.append(delivery.shares)
    quiet = Quiet(workers(services), waiters, clock, longest_ms=_LONGEST_MS)
    return ClockDesk(clock, quiet, services.vendors, services.wall_ms)


def workers(services: Services) -> Sequence[Worker]:
    """Return every loop that can have work."""
    apart = services.apart
    readers = () if apart is None else (apart.expander, apart.inbox, apart.ledger, apart.letters)
    return (
        services.timers,
        services.tracker,
        services.router,
        services.fanouts,
        services.releases,
        services.history.replays,
        *services.delivery.lanes,
        services.delivery.receipts.step,
        services.delivery.shares,
        *readers,
        *_tellers(services),
    )


def _tellers(services: Services) -> tuple[StatusWebhookRunner, ...]:
    return () if services.status_webhooks is None else (services.status_webhooks,)
