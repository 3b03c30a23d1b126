"""What operators steer: pauses, providers and dead letters, put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from tocsin.adapters.system import SystemClock
from tocsin.api.dead_letters import DeadLetterRoutes
from tocsin.api.endpoint import Endpoint
from tocsin.api.pauses import PauseRoutes
from tocsin.api.providers import ProviderRoutes
from tocsin.app.dead_letters.desk import DeadLetterDesk
from tocsin.app.dead_letters.showing import ShowParts, ShowStep
from tocsin.app.metrics.backlog import Backlog
from tocsin.app.metrics.collector import Labels, Numbers
from tocsin.app.pausing.desk import Known, PauseDesk
from tocsin.app.provider_doctor import Doctor
from tocsin.app.provider_list import ProviderList
from tocsin.app.provider_tests import ProviderTests
from tocsin.app.routing.audiences import AudienceStep
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
    return (
        *PauseRoutes(pauses).endpoints(),
        *_providers(services, notes),
        *_dead_letters(services, notes),
    )


def _providers(services: Services, notes: Notes) -> Sequence[Endpoint]:
    stores, delivery, places = services.stores, services.delivery, services.whereabouts

    def callback_url(name: str) -> str | None:
        return None if places is None else places.callbacks_of(name)()

    found = ProviderList(
        delivery.fleet,
        delivery.turnstiles,
        services.pauses,
        callback_url,
        services.clock,
        delivery.shares,
    )
    tests = ProviderTests(
        found,
        delivery.fleet.channels.__getitem__,
        stores.suppressions,
        services.book,
        notes,
        services.clock,
        services.chance,
        SystemClock().monotonic,
    )
    doctor = Doctor(found, sandbox=services.config.mode == "sandbox")
    return ProviderRoutes(found, tests, doctor).endpoints()


def _dead_letters(services: Services, notes: Notes) -> Sequence[Endpoint]:
    stores, history, log = services.stores, services.history, services.storage.log
    desk = DeadLetterDesk(
        stores.dead_letters, log, stores.recipients, notes, services.clock, history.replays.stir
    )
    parts = ShowParts(
        log,
        history.finder,
        services.storage.ledger,
        stores.recipients,
        services.workflows,
        AudienceStep(stores.audiences),
        services.delivery.fleet.channels,
        services.book,
    )
    return DeadLetterRoutes(desk, ShowStep(parts), services.clock).endpoints()


def looking(services: Services, backlog: Backlog) -> Callable[[], Awaitable[None]]:
    """Return what is awaited before metrics are shown."""

    async def look() -> None:
        await backlog.look()
        await services.letter_projection.look()

    return look


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

    letters = services.letter_projection
    return {
        "tocsin_pauses": pauses,
        "tocsin_disk_level": disk,
        "tocsin_dead_letters": lambda: tuple(letters.noted.items()),
        "tocsin_dead_letters_waiting": lambda: tuple(letters.waiting.items()),
    }
