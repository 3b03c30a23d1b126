"""Calling back, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tests.delivering.site import Site
from tests.support.waiting import awaited
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Settled
from tocsin.ports.receipts import Response

WAITING: Mapping[str, object] = {
    "key": "alarm",
    "steps": [
        {"channel": "chat", "title": "Alarm", "body": "{{ data.n }}"},
        {"wait": {"for": "1h", "unless": "delivered"}},
        {"channel": "chat", "title": "Again", "body": "{{ data.n }}", "name": "again"},
    ],
}


async def report(site: Site, *reports: Mapping[str, object]) -> Response:
    """Call back with what the pager service says, signed."""
    wall_ms = site.services.wall_ms()
    ahead_ms = wall_ms - site.clock.now_ms()
    dated = [
        {
            "ref": "",
            **each,
            "at_ms": site.clock.now_ms() + ahead_ms + 1_000 * int(str(each.get("at", 0))),
        }
        for each in reports
    ]
    callback = site.simulator.signed(msgspec.json.encode(dated), wall_ms)
    return await site.services.delivery.callbacks.receive("pager", callback)


async def states(site: Site, event: bytes, one: Recipient) -> list[str]:
    return [e.state for e in await site.history(event, one) if isinstance(e, Settled)]


async def settled(site: Site, delivery: bytes) -> str:
    found = (await site.services.storage.ledger.settled([delivery])).get(delivery)
    return "" if found is None else found.state


async def told(site: Site) -> None:
    """Return when every receipt was looked at, and the views show it."""
    step = site.services.delivery.receipts.step
    await awaited("every receipt was looked at", step.caught_up())


async def preferences(site: Site, name: str) -> Any:
    (one,) = (await site.services.stores.recipients.by_id([name])).values()
    return one.preferences


async def said(site: Site, event: bytes, name: str) -> str:
    return (await site.services.history.explainer(event, name)).sentence


async def pages(site: Site, count: int) -> Sequence[str]:
    await site.until_taken(count)
    return [each.text for each in site.simulator.taken]
