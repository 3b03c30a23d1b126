"""Status webhooks, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tocsin.app.metrics.collector import Numbers
from tocsin.app.status_webhooks.desk import StatusWebhookDesk
from tocsin.app.status_webhooks.runner import StatusWebhookRunner
from tocsin.app.status_webhooks.teller import TellerParts
from tocsin.app.trail import Notes
from tocsin.config import Config
from tocsin.ports.log import Log
from tocsin.ports.system import Chance, Clock
from tocsin.ports.transport import Transport
from tocsin.wiring.clients import reach_of
from tocsin.wiring.stores import Stores


def build_tellers(
    config: Config,
    log: Log,
    stores: Stores,
    transport: Transport,
    clock: Clock,
    chance: Chance,
    wall_ms: Callable[[], int],
) -> StatusWebhookRunner:
    """Return what tells endpoints."""
    parts = TellerParts(
        log=log,
        rows=stores.status_webhooks,
        recipients=stores.recipients,
        trail=stores.trail,
        sealer=stores.sealer,
        transport=transport,
        clock=clock,
        chance=chance,
        wall_ms=wall_ms,
        settings=config.status_webhooks,
    )
    return StatusWebhookRunner(parts)


def told_numbers(tellers: StatusWebhookRunner | None) -> dict[str, Numbers]:
    """Return what is counted of calls; nothing where there is no client for HTTP."""
    calls: Mapping[str, int] = tellers.calls if tellers is not None else {}
    return {
        "tocsin_status_webhook_calls": lambda: [
            ((outcome,), calls.get(outcome, 0)) for outcome in ("taken", "failed")
        ],
        "tocsin_status_webhooks_given_up": lambda: [((), calls.get("given up", 0))],
        "tocsin_status_webhook_errors": lambda: [((), calls.get("broken", 0))],
    }


def build_status_desk(
    config: Config, log: Log, stores: Stores, notes: Notes, clock: Clock, chance: Chance
) -> StatusWebhookDesk:
    """Return what keeps endpoints."""
    return StatusWebhookDesk(
        stores.status_webhooks,
        log,
        stores.sealer,
        notes,
        clock,
        chance,
        reach_of(config.outbound),
        webhooks_max=config.status_webhooks.webhooks_max,
    )
