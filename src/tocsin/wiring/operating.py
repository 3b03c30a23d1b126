"""What operators steer: pauses, put together."""

from __future__ import annotations

from collections import Counter

from tocsin.api.endpoint import Endpoint
from tocsin.api.pauses import PauseRoutes
from tocsin.app.metrics.collector import Labels, Numbers
from tocsin.app.pausing.desk import Known, PauseDesk
from tocsin.app.trail import Notes
from tocsin.wiring.services import Services


def operating_endpoints(services: Services, notes: Notes) -> tuple[Endpoint, ...]:
    """Return the routes."""
    known = Known(
        channels=services.channels.keys,
        workflows=services.registry.keys,
        providers=services.delivery.providers,
    )
    pauses = PauseDesk(
        services.stores.pauses, services.pauses, known, notes, services.clock, services.chance
    )
    return (*PauseRoutes(pauses).endpoints(),)


def operating_numbers(services: Services) -> dict[str, Numbers]:
    """Return what is counted of it, by the name of the metric."""

    def pauses() -> list[tuple[Labels, float]]:
        scopes = [each.scope for each in services.pauses.now.in_force]
        counted = Counter(
            (s.lane or "", s.channel or "", s.workflow or "", s.provider or "") for s in scopes
        )
        return [(labels, number) for labels, number in counted.items()]

    def disk() -> list[tuple[Labels, float]]:
        return [((), services.room.level)]

    return {"tocsin_pauses": pauses, "tocsin_disk_level": disk}
