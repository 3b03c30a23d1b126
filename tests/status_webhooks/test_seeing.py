"""What an operator sees of an endpoint that is not told: theirs that fails, and a mistake of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from tests.delivering.site import BEGIN_MS, Vendor
from tests.status_webhooks.place import AT_ONCE, BOTH, Place, place
from tests.support.receiver import Receiver, answer
from tocsin.domain.status_webhook import Told
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores


async def shown(here: Place, key: str) -> Any:
    """Return how the list shows an endpoint."""
    found = (await here.client.get("/v1/status-webhooks")).json()["items"]
    (one,) = [each for each in found if each["key"] == key]
    return one


async def passing(here: Place, ms: int, condition: Callable[[], bool]) -> None:
    """Let time pass, so much at each look, until *condition* holds."""

    async def passed() -> bool:
        await here.site.pass_time(ms)
        return condition()

    await here.site.until(passed)


async def test_since_when_one_fails_is_shown_until_it_takes_a_call(
    here: Place, there: Receiver
) -> None:
    there.say([answer(500), answer(500)])
    await here.put("crm", there)
    assert (await shown(here, "crm"))["failing_since"] is None
    await here.site.person("ana", "ana-pager")
    await here.site.send("ana", 1)

    async def failing() -> bool:
        return (await shown(here, "crm"))["failing_since"] is not None

    await here.site.until(failing)
    one = await shown(here, "crm")
    assert one["state"] == "active"
    await passing(here, 1_000, lambda: len(there.seen) >= 3)
    await here.until_told("crm", there, 3)

    async def well() -> bool:
        return not await failing()

    await here.site.until(well)


class Mistaken:
    """Rows of endpoints of which one cannot be read for so many times, whatever is asked."""

    def __init__(self, rows: Any, key: str, times: int) -> None:
        self._rows = rows
        self._key = key
        self._left = Counter({key: times})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)

    async def told(self, key: str) -> Told | None:
        if self._left[key] > 0:
            self._left[key] -= 1
            raise KeyError("ana-canary")
        told: Told | None = await self._rows.told(key)
        return told


async def test_a_mistake_of_ours_is_seen_and_stops_nobody(
    tmp_path: Path, layout: str, vendor: Vendor, there: Receiver
) -> None:
    def around(storage: Storage, stores: Stores) -> tuple[Storage, Stores]:
        rows: Any = Mistaken(stores.status_webhooks, "broken", 2)
        return storage, replace(stores, status_webhooks=rows)

    with capture_logs() as logs:
        async with place(tmp_path, layout, vendor, AT_ONCE, around) as here:
            await here.site.publish(BOTH)
            await here.put("broken", there)
            await here.put("well", there)
            await here.site.person("ana", "ana-pager")
            await here.site.send("ana", 1)
            await here.until_told("well", there, 3)
            tellers = here.site.services.status_webhooks
            assert tellers is not None
            assert here.site.clock.now_ms() == BEGIN_MS
            assert (tellers.calls["broken"], here.told("broken", there)) == (1, [])
            await passing(here, 10_000, lambda: len(here.told("broken", there)) >= 3)
            assert here.site.clock.now_ms() >= BEGIN_MS + 2 * 60_000
            metrics = (await here.client.get("/metrics")).text
    assert "tocsin_status_webhook_errors_total 2.0" in metrics
    said = [each for each in logs if each["event"] == "status_webhook_broken"]
    assert [(each["key"], each["error"]) for each in said] == [("broken", "KeyError")] * 2
