"""
Death at each write that a receipt goes through: what was answered with 2xx is told, and once.

The process ends within, at a point between it and its stores; what it had written is on the disk.
The vendor goes on, and sends again what was not answered. Time passes in each wait: whoever finds
the store locked, as on a busy machine, tries again after a pause.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.delivering.reporting import report
from tests.delivering.site import LAYOUTS, Site, Vendor, delivery_of, process
from tests.faults.victim import Between
from tocsin.domain.ids import show_delivery
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Settled
from tocsin.ports.simulator import Dial
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

CALLS = (
    "log.append(reports)",
    "log.commit(receipts)",
    "log.commit(outcomes)",
    "orphans.keep",
    "orphans.kept",
    "orphans.drop",
    "recipients.put",
)
POINTS = [f"{call}:{side}" for call in CALLS for side in ("before", "after")]


class Dead(Exception):  # it says what happened
    """The process has ended here."""


@dataclass
class Death:
    """Ends the process at the first passage of a point, once it is armed."""

    point: str
    armed: bool = False
    come: bool = False

    def __call__(self, name: str) -> None:
        if self.armed and name == self.point:
            self.come = True
        if self.come:
            # Nothing that is under way elsewhere in the process gets any farther, either.
            raise Dead

    def around(self, storage: Storage, stores: Stores) -> tuple[Storage, Stores]:
        def between(port: object, name: str) -> Any:
            return Between(port, name, self)

        storage = replace(storage, log=between(storage.log, "log"))
        stores = replace(
            stores,
            orphans=between(stores.orphans, "orphans"),
            recipients=between(stores.recipients, "recipients"),
        )
        return storage, stores


@dataclass
class Told:
    """Somebody, a delivery to her, and what the vendor says of it until it gets its answer."""

    one: Recipient
    event: bytes
    state: str
    answered: bool = False

    @property
    def delivery(self) -> bytes:
        return delivery_of(self.event, self.one)

    async def tell(self, site: Site) -> None:
        if not self.answered:
            gone = self.state == "failed"
            reference = show_delivery(self.delivery)
            await report(site, {"ref": reference, "state": self.state, "gone": gone})
            self.answered = True


async def begun(site: Site) -> list[Told]:
    """One that was sent, one that bounces, and one whose call is not answered yet."""
    await site.publish()
    site.start()
    found = []
    for name, state in (("sent", "delivered"), ("bounced", "failed")):
        one = await site.person(name, f"{name}-pager")
        event = await site.send(name, 1)
        await site.until_settled(event, one, "sent")
        found.append(Told(one, event, state))
    site.simulator.dial([Dial.STALL])
    one = await site.person("open", "open-pager")
    event = await site.send("open", 1)
    await site.live_until(lambda: called(site, 3))
    return [*found, Told(one, event, "delivered")]


async def die(site: Site, told: list[Told], death: Death) -> None:
    """Tell, let the call be answered, and go on until the process is dead or all is told."""
    death.armed = True
    with suppress(Dead, ExceptionGroup):
        for each in told:
            await each.tell(site)
        await site.live_until(lambda: all_read(site))
        site.simulator.release()
        await site.live_until(lambda: all_told(site, told))
        await site.live_until(lambda: nothing_kept(site))
    assert death.come, f"nothing passed {death.point}"


async def called(site: Site, count: int) -> bool:
    return len(site.simulator.calls) >= count


async def all_read(site: Site) -> bool:
    return not site.services.delivery.receipts.step.busy()


async def nothing_kept(site: Site) -> bool:
    return not site.services.stores.orphans.references()


async def all_told(site: Site, told: list[Told]) -> bool:
    found = await site.services.storage.ledger.settled([each.delivery for each in told])
    return [found[each.delivery].state for each in told if each.delivery in found] == [
        each.state for each in told
    ]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("layout", LAYOUTS)
async def test_what_was_answered_is_told_once(tmp_path: Path, layout: str, point: str) -> None:
    async with Vendor().serving() as vendor:
        death = Death(point)
        async with process(tmp_path, layout, vendor, around=death.around) as site:
            told = await begun(site)
            await die(site, told, death)
            await site.stop()
        vendor.simulator.release()
        async with process(tmp_path, layout, vendor, retry_base="1s") as site:
            site.start()
            for each in told:
                await each.tell(site)
            # A call whose answer is not heard is made again later: time has to pass.
            await site.live_until(lambda: all_told(site, told))
            await site.live_until(lambda: all_read(site))
            for each in told:
                history = (await site.services.delivery.histories.of([each.delivery]))[
                    each.delivery
                ]
                assert history.ended
                assert list(history.receipts) == [("pager", each.state, f"pager_{each.state}")]
                assert await _times(site, each) == 1
            people = await site.services.stores.recipients.by_number([told[1].one.number])
            assert people[told[1].one.number].addresses[0].dead_ms is not None


async def _times(site: Site, told: Told) -> int:
    """Return how often the log says what was reported."""
    log = site.services.storage.log
    said: Counter[str] = Counter()
    for partition in range(log.partitions):
        batch = await log.read("outcomes", partition, 0, records_max=10_000)
        for record in batch.records:
            if isinstance(record, Settled) and record.delivery == told.delivery and record.receipt:
                said[record.state] += 1
    return said[told.state]
