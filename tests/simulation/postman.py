"""Who brings the vendors' reports, some twice, until each was acknowledged; and somebody who lies."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.simulation.calls import Reply, request
from tests.simulation.engine import Life
from tests.simulation.history import History
from tests.simulation.vendor import TOKEN, Report, SimVendor
from tocsin.ports.receipts import ReceiptState

_REFUSED = 401


@dataclass(slots=True)
class Postman:
    """Posts callbacks; what had no answer is posted again."""

    vendor: SimVendor
    dice: Random
    history: History

    def finished(self) -> bool:
        """Return true: whoever waits for the end of a run waits for the reports, too."""
        return True

    async def run(self, life: Life) -> None:
        """Go on for as long as the process lives."""
        while True:
            await life.loop.pause(self.dice.choice((0.0, 0.02, 0.2)))
            now_s = life.loop.time()
            ready = [
                each
                for each in self.vendor.reports
                if each.not_before_s <= now_s or self.vendor.calm
            ]
            if ready:
                await self._post(life, self.dice.sample(ready, self.dice.randint(1, len(ready))))
            if self.vendor.calls and self.dice.random() < 0.1:
                await self._lie(life)

    async def _post(self, life: Life, reports: list[Report]) -> None:
        name = reports[0].provider
        mine = [each for each in reports if each.provider == name]
        operation = self.history.begin("report", life.clock.now_ms(), about=mine)
        reply = await _call(life, name, [(each.reference, each.state) for each in mine], TOKEN)
        self.history.check_answer(reply)
        if reply.status >= 300:
            self.history.end(operation, "info", reply.status)
            return
        self.history.end(operation, "ok", life.clock.now_ms())
        again = [each for each in mine if self.dice.random() < 0.1]
        kept = [each for each in self.vendor.reports if each not in mine]
        self.vendor.reports[:] = kept + again

    async def _lie(self, life: Life) -> None:
        call = self.dice.choice(self.vendor.calls)
        operation = self.history.begin("lie", life.clock.now_ms(), about=call.reference)
        said = [(call.reference, ReceiptState.OPENED)]
        reply = await _call(life, call.provider, said, "a guess")
        self.history.end(operation, "fail" if reply.status == _REFUSED else "info", reply.status)


async def _call(
    life: Life, provider: str, said: list[tuple[str, ReceiptState]], token: str
) -> Reply:
    app, path = life.driving.api.network(), f"/v1/callbacks/{provider}"
    return await request(app, "POST", path, said, headers={"authorization": token})
