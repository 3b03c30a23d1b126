"""Groups of recipients, and who watches which object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from tocsin.app.callers import Principal
from tocsin.app.people import People
from tocsin.app.trail import Notes
from tocsin.domain.audience import Subscription
from tocsin.domain.conditions import read_condition
from tocsin.domain.names import no_such
from tocsin.domain.recipient import Recipient
from tocsin.errors import NotFound
from tocsin.ports.state import Audiences
from tocsin.ports.system import Clock

MEMBERS_PER_CALL_MAX: Final = 10_000


class MemberPage(NamedTuple):
    """Some members; ``last`` is the number after which the next page begins, None at the end."""

    members: Sequence[Recipient]
    last: int | None


class SubscriberPage(NamedTuple):
    """Some subscriptions with their recipients; ``last`` as in `MemberPage`."""

    subscribers: Sequence[tuple[Recipient, Subscription]]
    last: int | None


class Groups:
    """Groups and their members."""

    def __init__(self, audiences: Audiences, people: People, notes: Notes, clock: Clock) -> None:
        self._audiences = audiences
        self._people = people
        self._notes = notes
        self._clock = clock

    async def get(self, key: str) -> tuple[str, str | None, int]:
        """Return (key, name, number of members); raises `NotFound`."""
        found = await self._audiences.group(key)
        if found is None:
            raise no_such("group", key)
        return found

    async def put(
        self, by: Principal, key: str, name: str | None
    ) -> tuple[tuple[str, str | None, int], bool]:
        """Create or rename; returns the group and whether it is new."""
        new = await self._audiences.group(key) is None
        await self._audiences.put_group(key, name, self._clock.now_ms())
        await self._notes.add(by, "group.put", f"group/{key}")
        return await self.get(key), new

    async def delete(self, by: Principal, key: str) -> None:
        """End the group and all memberships; raises `NotFound`."""
        if not await self._audiences.delete_group(key, self._clock.now_ms()):
            raise no_such("group", key)
        await self._notes.add(by, "group.delete", f"group/{key}")

    async def add(self, by: Principal, key: str, ids: Sequence[str]) -> int:
        """Let *ids* join, creating those who are unknown; returns how many really joined."""
        await self.get(key)
        found = await self._people.ensure(ids)
        numbers = [one.number for one in found.values() if not one.erased]
        joined, _ = await self._audiences.change_members(
            key, add=numbers, remove=(), now_ms=self._clock.now_ms()
        )
        await self._notes.add(by, "group.join", f"group/{key}", str(joined))
        return joined

    async def remove(self, by: Principal, key: str, ids: Sequence[str]) -> int:
        """Let *ids* leave; returns how many really left."""
        await self.get(key)
        found = await self._people.known(ids)
        _, left = await self._audiences.change_members(
            key,
            add=(),
            remove=[one.number for one in found.values()],
            now_ms=self._clock.now_ms(),
        )
        await self._notes.add(by, "group.leave", f"group/{key}", str(left))
        return left

    async def members(self, key: str, *, after: int, limit: int) -> MemberPage:
        """Return members with a number above *after*, in the order of their numbers."""
        await self.get(key)
        numbers = await self._audiences.members(key, after=after, limit=limit)
        found = await self._people.by_numbers(numbers)
        members = [found[number] for number in numbers if number in found]
        return MemberPage(members, numbers[-1] if len(numbers) == limit else None)


class Objects:
    """Subscriptions of recipients to objects, each with a condition or none."""

    def __init__(self, audiences: Audiences, people: People, notes: Notes, clock: Clock) -> None:
        self._audiences = audiences
        self._people = people
        self._notes = notes
        self._clock = clock

    async def subscribe(
        self, by: Principal, collection: str, object_id: str, recipient: str, when: object
    ) -> Subscription:
        """Create or replace the subscription of *recipient*, who is created if unknown."""
        condition = None if when is None else read_condition(when, "/when")
        one = (await self._people.ensure([recipient]))[recipient]
        if one.erased:
            raise NotFound("there is no such recipient")
        now_ms = self._clock.now_ms()
        subscription = Subscription(
            recipient=one.number,
            collection=collection,
            object_id=object_id,
            when=condition,
            from_ms=now_ms,
        )
        await self._audiences.subscribe(subscription, now_ms)
        await self._note(by, "subscribe", collection, one.number)
        return subscription

    async def unsubscribe(
        self, by: Principal, collection: str, object_id: str, recipient: str
    ) -> None:
        """End it; raises `NotFound`."""
        one = await self._people.get(recipient)
        if not await self._audiences.unsubscribe(
            collection, object_id, one.number, self._clock.now_ms()
        ):
            raise NotFound("there is no such subscription")
        await self._note(by, "unsubscribe", collection, one.number)

    async def subscribers(
        self, collection: str, object_id: str, *, after: int, limit: int
    ) -> SubscriberPage:
        """Return subscriptions of recipients above number *after*, in order of number."""
        found = await self._audiences.subscribers(collection, object_id)
        page = sorted((s for s in found if s.recipient > after), key=lambda s: s.recipient)[:limit]
        people = await self._people.by_numbers([s.recipient for s in page])
        there = [(people[s.recipient], s) for s in page if s.recipient in people]
        return SubscriberPage(there, page[-1].recipient if len(page) == limit else None)

    async def _note(self, by: Principal, action: str, collection: str, number: int) -> None:
        await self._notes.add(by, f"object.{action}", f"object/{collection}", f"recipient/{number}")
