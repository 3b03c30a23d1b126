"""Operators who stop something for a while, and let it go on; the last pause is always ended."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.simulation.calls import request
from tests.simulation.engine import Life
from tests.simulation.history import History
from tests.simulation.vendor import CHANNEL
from tocsin.domain.lanes import LANES

_SCOPES = (
    {"workflow": "order"},
    {"workflow": "copy"},
    {"workflow": "calm"},
    {"lane": "transactional"},
    {"lane": "bulk"},
    {"channel": "inbox"},
    {"channel": CHANNEL},
    {"provider": "first"},
    {"workflow": "ring"},
)
_UNKNOWN = 500


@dataclass(slots=True)
class Operator:
    """Pauses and resumes, one after the other; what a crash left behind is ended in the next life."""

    dice: Random
    history: History
    left: int
    open: bool = True
    """Whether something may be paused."""

    def finished(self) -> bool:
        """Return whether all is done and nothing is paused any more."""
        return self.left <= 0 and not self.open

    async def run(self, life: Life) -> None:
        """Go on until everything is done."""
        while not self.finished():
            await life.loop.pause(self.dice.choice((0.05, 0.3, 1.5)))
            if self.dice.random() < 0.5:
                await self._replay(life)
            if self.left > 0 and self.dice.random() < 0.6:
                self.left -= 1
                await self._pause(life)
            else:
                await self._resume_all(life)

    async def _pause(self, life: Life) -> None:
        scope = self.dice.choice(_SCOPES)
        self.open = True
        operation = self.history.begin("pause", life.clock.now_ms(), scope=scope)
        body = {**scope, "reason": "the simulation says so"}
        reply = await request(life.driving.api.local(), "POST", "/v1/pauses", body)
        self.history.check_answer(reply)
        outcome = "ok" if reply.status < 300 else "info" if reply.status >= _UNKNOWN else "fail"
        operation.what["from_s"] = life.loop.time()
        self.history.end(operation, outcome, reply.body.get("id"))

    async def _replay(self, life: Life) -> None:
        """Ask for everything anew that has failed; what a crash takes is asked for no second time."""
        operation = self.history.begin("replay", life.clock.now_ms())
        path = "/v1/dead-letters/replay"
        reply = await request(life.driving.api.local(), "POST", path, {"filter": {}})
        self.history.check_answer(reply)
        count = reply.body["count"] if reply.status < 300 else None
        self.history.end(operation, "info" if count is None else "ok", count)

    async def _resume_all(self, life: Life) -> None:
        app = life.driving.api.local()
        listed = await request(app, "GET", "/v1/pauses", None)
        if listed.status >= 300:
            return
        for pause in listed.body["items"]:
            operation = self.history.begin(
                "resume",
                life.clock.now_ms(),
                id=pause["id"],
                until_s=life.loop.time(),
                shown=_shown(life),
            )
            reply = await request(app, "DELETE", f"/v1/pauses/{pause['id']}", None)
            self.history.check_answer(reply)
            self.history.end(operation, "ok" if reply.status < 300 else "info", reply.status)
        self.open = bool(listed.body["items"])


def _shown(life: Life) -> dict[str, list[int]]:
    """Return how much each inbox topic holds by now, by partition."""
    log = life.services.storage.log
    return {lane: [log.end(f"inbox.{lane}", p) for p in range(log.partitions)] for lane in LANES}
