"""What one endpoint says is not what everybody else on its host has to bear."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.delivering.site import BEGIN_MS
from tocsin.app.delivering.providers import Wired
from tocsin.app.delivering.rates import Rates
from tocsin.app.delivering.turnstiles import Counts, Pass, Turnstiles
from tocsin.channels.webhook.http.provider import Webhooks
from tocsin.channels.webhook.http.settings import WebhookSettings
from tocsin.config import Outbound
from tocsin.ports.outcomes import ProviderReason, TryLater
from tocsin.ports.provider import ProviderTools
from tocsin.wiring.clients import open_clients

HOUR_MS = 3_600_000
SETTINGS = WebhookSettings()
WAIT = TryLater(ProviderReason.THROTTLED, after_ms=24 * HOUR_MS, detail="429")


@pytest.fixture
async def wired() -> AsyncIterator[Wired]:
    transport = open_clients(Outbound()).ordinary
    yield Wired(Webhooks(SETTINGS, ProviderTools("webhook", transport, lambda: 0)), SETTINGS)
    await transport.close()


async def test_who_asks_to_wait_stops_its_host_no_longer_than_a_failure_would(
    wired: Wired,
) -> None:
    turnstiles = Turnstiles([wired], Rates({"webhook": wired}), "bulk", Counts())
    way = turnstiles.way(wired, "https://hooks.example.com/one")
    neighbour = turnstiles.way(wired, "https://hooks.example.com/another")
    elsewhere = turnstiles.way(wired, "https://other.example.com/")
    admitted, generation = turnstiles.admit(way, 1, BEGIN_MS)
    assert admitted == 1

    turnstiles.tell(Pass(way, generation), ["https://hooks.example.com/one"], [WAIT], BEGIN_MS)

    end_ms = BEGIN_MS + SETTINGS.breaker_open_max_ms
    assert turnstiles.admit(neighbour, 1, end_ms - 1)[0] == 0
    assert turnstiles.admit(neighbour, 1, end_ms)[0] == 1
    assert turnstiles.admit(elsewhere, 1, BEGIN_MS)[0] == 1
