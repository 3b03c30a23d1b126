"""People who change what they want, and operators; and a wall clock that jumps."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from tests.simulation.calls import request
from tests.simulation.engine import Life, Machine
from tests.simulation.history import History
from tests.simulation.shop import PEOPLE
from tests.simulation.vendor import CHANNEL

_REFUSED = frozenset({400, 403, 404, 409, 413, 422, 429, 507})
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(slots=True)
class Admin:
    """Makes one change after the other, each with a history of its own."""

    dice: Random
    history: History
    machine: Machine
    left: int
    jumps_back: bool

    def finished(self) -> bool:
        """Return whether nothing is left to change."""
        return self.left <= 0

    async def run(self, life: Life) -> None:
        """Change things until nothing is left."""
        while not self.finished():
            await life.loop.pause(self.dice.choice((0.01, 0.1, 0.4)))
            self.left -= 1
            await self._change(life)

    async def _change(self, life: Life) -> None:
        dice = self.dice
        chance = dice.random()
        person = dice.choice(PEOPLE)
        if chance < 0.3:
            self._jump()
        elif chance < 0.45:
            await self._cancel(life)
        elif chance < 0.55:
            await self._call(
                life, "suppress", "POST", "/v1/suppressions", {"recipient": person}, person
            )
        elif chance < 0.75:
            category = dice.choice(("orders", "promotions", "calm"))
            channels = dice.choice((("inbox",), (CHANNEL,), ("inbox", CHANNEL)))
            body: dict[str, Any] = {"categories": {category: dict.fromkeys(channels, False)}}
            path = f"/v1/recipients/{person}/preferences"
            await self._call(life, "opt-out", "PATCH", path, body, person, category)
        else:
            hour = dice.randrange(24)
            until = (hour + dice.randint(1, 4)) % 24
            hours = {"days": list(_DAYS), "from": f"{hour:02}:00", "until": f"{until:02}:00"}
            path = f"/v1/recipients/{person}/preferences"
            await self._call(life, "quiet", "PATCH", path, {"quiet_hours": [hours]}, person)

    async def _cancel(self, life: Life) -> None:
        key = f"c{self.dice.randint(0, 3)}"
        body = {"cancellation_key": key, "hold_for": "30d"}
        operation = self.history.begin("cancel", life.clock.now_ms(), key=key)
        reply = await request(life.driving.api.local(), "POST", "/v1/cancel", body)
        self.history.check_answer(reply)
        if reply.status < 300:
            verdicts = {each["id"]: each["verdict"] for each in reply.body["recipients"]}
            self.history.end(operation, "ok", verdicts)
        else:
            self.history.end(
                operation, "fail" if reply.status in _REFUSED else "info", reply.status
            )

    def _jump(self) -> None:
        steps = [1_000, 60_000, 1_800_000, 3_600_000, 7_200_000]
        if self.jumps_back:
            steps += [-1_000, -60_000, -3_600_000]
        by_ms = self.dice.choice(steps)
        self.machine.skew.ms += by_ms
        self.history.set_back |= by_ms < 0
        self.history.disturbed = True
        self.history.note(f"clock {by_ms:+}")

    async def _call(
        self, life: Life, kind: str, method: str, path: str, body: Any, person: str, what: str = ""
    ) -> None:
        operation = self.history.begin(
            kind, life.clock.now_ms(), person=person, category=what, body=body
        )
        reply = await request(life.driving.api.local(), method, path, body)
        self.history.check_answer(reply)
        if reply.status < 300:
            self.history.end(operation, "ok", reply.status)
        elif reply.status in _REFUSED:
            self.history.end(operation, "fail", reply.status)
        else:
            self.history.end(operation, "info", reply.status)
