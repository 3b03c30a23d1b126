"""Somebody who has herself erased while messages to her are on their way."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from tests.simulation.calls import request
from tests.simulation.engine import Life
from tests.simulation.final import Final
from tests.simulation.history import History
from tests.simulation.shop import LEAVER
from tests.simulation.vendor import address_of

_UNKNOWN = 500
_NOT_FOUND = 404


@dataclass(slots=True)
class Leaver:
    """Is sent to, is erased, and is sent to again."""

    dice: Random
    history: History
    left: int
    gone: bool = False
    _number: int = 0

    def finished(self) -> bool:
        """Return whether nothing is sent to her any more."""
        return self.left <= 0

    async def run(self, life: Life) -> None:
        """Go on until everything is done."""
        while not self.finished():
            await life.loop.pause(self.dice.choice((0.0, 0.02, 0.4)))
            if not self.gone and self.dice.random() < 0.3:
                await self._erase(life)
                continue
            self.left -= self.gone
            await self._send(life)

    async def _send(self, life: Life) -> None:
        self._number += 1
        token = f"leave.{self._number}"
        item: dict[str, Any] = {"type": "leave", "id": token, "source": "shop", "subject": token}
        item |= {"recipients": [LEAVER], "data": {"token": token}}
        reply = await request(life.driving.api.local(), "POST", "/v1/events", [item])
        self.history.check_answer(reply)
        self.history.note(f"{token} {reply.status}")

    async def _erase(self, life: Life) -> None:
        operation = self.history.begin("erase", life.clock.now_ms())
        path = f"/v1/recipients/{LEAVER}"
        reply = await request(life.driving.api.local(), "DELETE", path)
        self.history.check_answer(reply)
        # Whoever asks again, after no answer, may hear that she is gone already.
        self.gone = reply.status < 300 or reply.status == _NOT_FOUND
        outcome = "ok" if reply.status < 300 else "info" if reply.status >= _UNKNOWN else "fail"
        self.history.end(operation, outcome, life.loop.time())


def erased_are_not_called(history: History, final: Final) -> list[str]:
    """I7: no call to her begins after her erasure was acknowledged."""
    return [
        f"{call.address} was called at {call.begun_s}, erased at {said.answer}"
        for said in history.of("erase", "ok")
        for call in final.calls
        if call.address == address_of(LEAVER) and call.begun_s > said.answer
    ]
