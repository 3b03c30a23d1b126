"""Producers: they send, repeat what was not answered, and sometimes what was."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.simulation.calls import Reply, request
from tests.simulation.engine import Life
from tests.simulation.history import History, Operation
from tests.simulation.shop import PEOPLE, TEAM

_KINDS = (
    "order",
    "order",
    "order",
    "alert",
    "calm",
    "calm",
    "path",
    "hello",
    "nudge",
    "nudge",
    "ring",
    "ring",
    "ring",
    "follow",
    "follow",
    "nobody",
)

NOTE = "canary-note"

# What says that nothing of the request was kept.
_REFUSED = frozenset({400, 403, 404, 409, 413, 422, 429, 507})


@dataclass(slots=True)
class Request:
    """One request that a producer wants to have answered."""

    items: list[dict[str, Any]]
    key: str | None
    operation: Operation | None = None
    tries: int = 0


@dataclass(slots=True)
class Producer:
    """Sends one request after the other; survives the server's crashes."""

    name: str
    dice: Random
    history: History
    left: int
    cancels: bool = False
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _open: Request | None = None
    _done: list[Request] = field(default_factory=list)

    def finished(self) -> bool:
        """Return whether it has nothing left to send."""
        return self.left <= 0 and self._open is None

    async def run(self, life: Life) -> None:
        """Send until nothing is left; what was open at a crash is sent again."""
        app = life.driving.api.local()
        while not self.finished():
            await self._pause(life)
            again = self._open
            if again is None:
                self.left -= 1
                self._open = again = self._choose()
            operation = again.operation = self.history.begin(
                "send", life.clock.now_ms(), by=self.name, items=again.items, key=again.key
            )
            again.tries += 1
            reply = await request(app, "POST", "/v1/events", again.items, key=again.key)
            self._settle(again, operation, reply, life.clock.now_ms())

    async def _pause(self, life: Life) -> None:
        await life.loop.pause(self.dice.choice((0.0, 0.0, 0.01, 0.3)))

    def _settle(self, sent: Request, operation: Operation, reply: Reply, now_ms: int) -> None:
        self.history.check_answer(reply)
        if reply.status in (202, 207):
            ids = [each.get("id") for each in reply.body["events"]]
            self.history.end(operation, "ok", ids, now_ms)
        elif reply.status in _REFUSED:
            self.history.end(operation, "fail", reply.status)
        else:
            self.history.end(operation, "info", reply.status)
        # A conflict is an earlier attempt under the same key that still counts as running.
        again = operation.outcome == "info" or reply.status in (409, 507)
        gives_up = operation.outcome == "fail" and self.dice.random() < 0.3
        if again and sent.tries < 12 and not gives_up:
            return
        self._open = None
        if operation.outcome == "ok":
            self._done.append(sent)

    def _choose(self) -> Request:
        dice = self.dice
        if self._done and dice.random() < 0.15:
            old = dice.choice(self._done)
            return Request(old.items, old.key)
        size = 1 if dice.random() < 0.6 else dice.randint(2, 5)
        items = [self._item() for _ in range(size)]
        key = f"{self.name}-key-{next(self._numbers)}" if dice.random() < 0.3 else None
        if key is not None and dice.random() < 0.5:
            for item in items:
                # The key alone names them then.
                item.pop("id", None)
        return Request(items, key)

    def _item(self) -> dict[str, Any]:
        dice = self.dice
        token = f"{self.name}.{next(self._numbers)}"
        kind = dice.choice(_KINDS)
        item: dict[str, Any] = {"type": kind, "id": token, "source": "shop", "subject": token}
        data: dict[str, Any] = {"token": token, "note": NOTE}
        if dice.random() < 0.05:
            data["note"] = "large " * 14_000
        if kind == "path":
            data["who"] = dice.choice(PEOPLE)
        else:
            item["recipients"] = self._audience(token)
        if dice.random() < 0.06:
            del data["token"]
            item["type"] = dice.choice(("order", "calm"))
            item.setdefault("recipients", ["p0"])
        if dice.random() < 0.15:
            item["expires_in"] = dice.choice(("1h", "2h", "3d"))
        if dice.random() < 0.3:
            item["cancellation_key"] = f"c{dice.randint(0, 3)}"
        item["data"] = data
        return item

    def _audience(self, token: str) -> list[Any]:
        dice = self.dice
        chance = dice.random()
        if chance < 0.6:
            return [dice.choice(PEOPLE)]
        if chance < 0.7:
            return [f"new-{dice.randint(0, 3)}"]
        if chance < 0.8:
            return [{"group": "team"}]
        if chance < 0.9:
            own = {"id": dice.choice(PEOPLE), "data": {"note": f"own {token}"}}
            return [own]
        return dice.sample(PEOPLE, dice.randint(2, 5))


def expected_people(item: dict[str, Any]) -> frozenset[str]:
    """Return whom an item means."""
    if item["type"] == "path":
        return frozenset((item["data"]["who"],))
    people: set[str] = set()
    for term in item["recipients"]:
        if isinstance(term, str):
            people.add(term)
        elif "group" in term:
            people.update(TEAM)
        elif "id" in term:
            people.add(term["id"])
    return frozenset(people)


def token_of(item: dict[str, Any]) -> str:
    """Return the mark by which everything that follows from an item is known."""
    return str(item["subject"])
