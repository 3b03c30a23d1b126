"""One person and one workflow on a site, and what becomes of each step of its runs."""

from __future__ import annotations

from collections.abc import Mapping

from tests.app.sending_site import NOON_MS, SendingSite
from tocsin.app.delivering.histories import Histories
from tocsin.app.inbox import Reader
from tocsin.app.project import Projector
from tocsin.domain.ids import EventKey, delivery_key, notification_key
from tocsin.domain.reasons import Reason
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Handoff, Plan, Settled

Step = Mapping[str, object]

INBOX: Step = {"channel": "inbox", "title": "Hello", "body": "It is {{ data.what }}"}
PUSH: Step = {"channel": "push"}
CHAT: Step = {"channel": "push", "name": "again"}
LAST: Step = {"channel": "push", "name": "last"}


def wait(for_: str, unless: str, *of: str) -> dict[str, object]:
    step: dict[str, object] = {"for": for_, "unless": unless}
    return {"wait": {**step, "of": list(of)} if of else step}


class Runs:
    """A site with one person, and what became of one event's deliveries."""

    def __init__(self, site: SendingSite, ana: Recipient) -> None:
        self.site = site
        self.ana = ana

    async def publish(self, *steps: Step, **more: object) -> None:
        document = {"key": "note", "on": ["note"], "steps": [dict(each) for each in steps], **more}
        await self.site.publish(document)

    async def send(self, **more: object) -> bytes:
        return await self.send_to(self.ana.id, **more)

    async def send_to(self, *recipients: object, **more: object) -> bytes:
        event = await self.site.send(type="note", recipients=list(recipients), **more)
        await self.site.routed()
        return event

    def delivery(self, event: bytes, step: int) -> bytes:
        return delivery_key(notification_key(EventKey(event), 0, self.ana.number), step, 0)

    async def handed(self) -> list[int]:
        """Return the steps that were handed over, in order."""
        records = await self.site.records("deliver.push.transactional")
        return [each.step for each in records if isinstance(each, Handoff)]

    async def deliveries(self) -> set[bytes]:
        """Return what was handed over."""
        records = await self.site.records("deliver.push.transactional")
        return {each.delivery for each in records if isinstance(each, Handoff)}

    async def suppressed(self) -> set[bytes]:
        """Return the deliveries that plans say are not needed."""
        plans = await self.site.records("plans.transactional")
        return {
            delivery_key(notification_key(EventKey(plan.event), 0, note.recipient), each.step, 0)
            for plan in plans
            if isinstance(plan, Plan)
            for run in plan.runs
            for note in run.notifications
            for each in note.decisions
            if each.reason is Reason.NOT_NEEDED
        }

    async def until_handed(self, *steps: int) -> None:
        async def handed() -> bool:
            return await self.handed() == list(steps)

        await self.site.until(f"{steps} handed over", handed)

    async def at(self, ms: int) -> None:
        """Go on to a time after noon, and let everything due be done."""
        self.site.clock.advance(NOON_MS + ms)
        await self.site.quiet()

    async def tell(self, event: bytes, step: int, *states: str, receipt: bool = False) -> None:
        """Say what a provider says of a delivery: its answer first, then receipts."""
        about = self.delivery(event, step), "transactional", "push"
        now_ms = self.site.clock.now_ms()
        records = [
            Settled(*about, state, state, now_ms, receipt=receipt or state != states[0])
            for state in states
        ]
        await Histories(self.site.services.storage.log, self.site.services.follow).add(records)
        await self.site.quiet()

    async def change(self, event: bytes, state: str) -> None:
        """Do something with the item in the inbox."""
        key = notification_key(EventKey(event), 0, self.ana.number)
        reader = Reader(self.ana.number, self.ana.id)

        async def changed() -> bool:
            return bool(await self.site.services.inbox.change(reader, state, [key]))

        await self.site.until("shown", changed)
        await self.site.quiet()

    async def change_without_tracking(self, event: bytes) -> None:
        """Read the item in a process that ends before anybody looks at that."""
        assert (await self.settled())["inbox", "sent"]
        await self.site.reopen()
        key = notification_key(EventKey(event), 0, self.ana.number)
        reader = Reader(self.ana.number, self.ana.id)
        work = self.site.services.inbox.change(reader, "read", [key])
        if not self.site.services.storage.log.atomic_with_views:
            services = self.site.services
            view = Projector(
                services.storage.log, services.storage.inbox, services.inbox_projection
            )
            _ = self.site.spawn(view.run())
        assert await work

    async def settled(self) -> dict[tuple[str, str], int]:
        return {
            (channel, state): number
            for (_, channel, state), number in (await self.site.settled()).items()
            if number
        }
